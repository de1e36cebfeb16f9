"""What a check sends: the first request, and the one that a redirect makes of it. Pure.

RFC 9110, section 15.4, with the limits of a program that follows strangers' directions.
"""

from __future__ import annotations

import re

from aiohttp import encode_basic_auth
from msgspec import Struct, structs
from yarl import URL

from monitor.domain.outcome import Reason
from monitor.domain.website import CheckOptions
from monitor.probes.reasons import CheckFailed, down

MAX_REDIRECTS = 10
MAX_LOCATION_CHARS = 2048
REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})

_LEGAL = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*")
"""What may stand in a URL (RFC 3986, section 2); anything else has to be encoded first."""


class Request(Struct, frozen=True):
    """One request of a check. ``headers`` are those its owner gave, no defaults among them."""

    method: str
    url: URL
    headers: dict[str, str]
    body: bytes | None = None


def first_request(options: CheckOptions) -> Request:
    """The request that the owner of a website described. Raises ValueError on a malformed URL.

    A path that is already encoded is sent as it was typed. User and password in the URL
    become an Authorization header, where none is given.
    """
    url = _url(options.url)
    headers = options.request_headers
    if url.user is not None or url.password is not None:
        if not any(name.lower() == "authorization" for name in headers):
            credentials = encode_basic_auth(url.user or "", url.password or "")
            headers = {**headers, "Authorization": credentials}
        url = url.with_user(None)
    body = options.request_body.encode() if options.request_body else None
    return Request(options.http_method, url, headers, body)


def next_request(request: Request, status: int, location: str | None) -> Request:
    """The request that follows a redirect. Raises CheckFailed where it leads nowhere.

    303, and 301 or 302 after a POST, turn into GET (RFC 9110, sections 15.4.2 to 15.4.4).
    What may be a secret stays with the origin it was meant for: on the way to another one
    the body and all headers but Accept* and User-Agent are left behind.
    """
    url = _target(request.url, location)
    if request.method != "HEAD" and (
        status == 303 or (status in (301, 302) and request.method == "POST")
    ):
        headers = {k: v for k, v in request.headers.items() if not _describes_body(k)}
        request = Request("GET", request.url, headers)
    if _origin(url) != _origin(request.url):
        headers = {k: v for k, v in request.headers.items() if _safe_elsewhere(k)}
        request = Request(request.method, request.url, headers)
    return structs.replace(request, url=url)


def _url(text: str) -> URL:
    return URL(text, encoded=_LEGAL.fullmatch(text) is not None)


def _target(base: URL, location: str | None) -> URL:
    if not location:
        raise CheckFailed(down(Reason.INVALID_REDIRECT, "redirect without a Location"))
    if len(location) > MAX_LOCATION_CHARS:
        raise CheckFailed(down(Reason.INVALID_REDIRECT, "redirect to a URL that is too long"))
    try:
        given = _url(location)
        url = base.join(given).with_fragment(None)
        complete = bool(given.raw_host) or not given.scheme
        usable = complete and url.scheme in ("http", "https") and url.raw_host and url.port
        url = url.with_user(None) if usable else url
    except ValueError:
        usable = False
    if not usable:
        text = "redirect to something that is not an http or https URL"
        raise CheckFailed(down(Reason.INVALID_REDIRECT, text))
    return url


def _origin(url: URL) -> tuple[str, str, int | None]:
    return url.scheme, (url.raw_host or "").lower(), url.port


def _describes_body(header: str) -> bool:
    name = header.lower()
    return name.startswith("content-") or name in ("transfer-encoding", "expect")


def _safe_elsewhere(header: str) -> bool:
    name = header.lower()
    return name.startswith("accept") or name == "user-agent"
