"""The requests of a check: the first one, and those that redirects lead to. Pure.

RFC 9110, section 15.4, with limits, because redirects are untrusted input.
"""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import encode_basic_auth
from msgspec import Struct, structs
from yarl import URL

from monitor.domain.outcome import Reason
from monitor.probes.http import cookies, target
from monitor.probes.http.cookies import Cookie
from monitor.probes.http.target import Target
from monitor.probes.net.reasons import CheckFailed, down
from monitor.resources.check_options import CheckOptions
from monitor.resources.request_headers import may_travel

MAX_REDIRECTS = 10
MAX_LOCATION_BYTES = 32 * 1024
"""Four times what RFC 9110 recommends (section 4.1): sign-ons put whole documents into a query."""

MAX_URL_CHARS = 64 * 1024
"""A relative path adds to the one before, and each byte that is encoded becomes three."""

REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})


class Request(Struct, frozen=True):
    """One request of a check. ``headers`` are the owner's, without our defaults.

    ``cookies``: those set so far, wherever they may go.
    """

    method: str
    target: Target
    headers: dict[str, str]
    body: bytes | None = None
    cookies: tuple[Cookie, ...] = ()


def first_request(options: CheckOptions) -> Request:
    """The request that the website's owner described. Raises CheckFailed where the URL's host
    cannot be encoded as a name (RFC 5891, section 4).

    A path that is already encoded is sent as typed. User and password in the URL become an
    Authorization header, unless one is set.
    """
    headers = options.request_headers
    to = target.plain(options.url)
    if to is None:
        url, to = _parsed(options.url)
        headers = _with_credentials(headers, url)
    body = options.request_body.encode() if options.request_body else None
    return Request(options.http_method, to, headers, body)


def _parsed(text: str) -> tuple[URL, Target]:
    try:
        url = target.parse(text)
        return url, target.of_url(url)
    except ValueError:
        text = "the host of the URL is not a valid name"
        raise CheckFailed(down(Reason.DNS_ERROR, text)) from None


def _with_credentials(headers: dict[str, str], url: URL) -> dict[str, str]:
    if url.user is None and url.password is None:
        return headers
    if any(name.lower() == "authorization" for name in headers):
        return headers
    return {**headers, "Authorization": encode_basic_auth(url.user or "", url.password or "")}


def with_cookies(request: Request, set_cookies: Iterable[bytes], now_s: float) -> Request:
    """The request with what its response has set: the values of Set-Cookie."""
    lines = list(set_cookies)
    if not lines:
        return request
    host = next((v for k, v in request.headers.items() if k.lower() == "host"), "")
    after = cookies.updated(
        request.cookies,
        lines,
        request.target,
        alias=host.partition(":")[0],
        now_s=now_s,
    )
    return structs.replace(request, cookies=after)


def next_request(request: Request, status: int, location: bytes) -> Request:
    """The request that follows a redirect. Raises CheckFailed where its URL is unusable.

    303, and 301 or 302 after a POST, become GET (RFC 9110, sections 15.4.2 to 15.4.4). Secrets
    stay with the origin they were meant for: a redirect to another origin drops the body with what
    describes it, and all headers that may not be shown.
    """
    to = _resolved(request.target, location)
    if request.method != "HEAD" and (
        status == 303 or (status in (301, 302) and request.method == "POST")
    ):
        headers = {k: v for k, v in request.headers.items() if not _describes_body(k)}
        request = structs.replace(request, method="GET", headers=headers, body=None)
    if _origin(to) != _origin(request.target):
        headers = {k: v for k, v in request.headers.items() if _travels_without_body(k)}
        request = structs.replace(request, headers=headers, body=None)
    return structs.replace(request, target=to)


def _resolved(base: Target, location: bytes) -> Target:
    if not location:
        raise CheckFailed(down(Reason.INVALID_REDIRECT, "redirect without a Location"))
    try:
        to = target.joined(base, location) if len(location) <= MAX_LOCATION_BYTES else None
    except ValueError:
        text = "redirect to something that is not an http or https URL"
        raise CheckFailed(down(Reason.INVALID_REDIRECT, text)) from None
    if to is None or len(to.url) > MAX_URL_CHARS:
        raise CheckFailed(down(Reason.INVALID_REDIRECT, "redirect to a URL that is too long"))
    return to


def _origin(to: Target) -> tuple[str, str, int]:
    return to.scheme, to.host.lower(), to.port


def _describes_body(header: str) -> bool:
    name = header.lower()
    return name.startswith("content-") or name in ("transfer-encoding", "expect")


def _travels_without_body(header: str) -> bool:
    return may_travel(header) and not _describes_body(header)
