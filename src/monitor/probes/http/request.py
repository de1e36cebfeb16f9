"""Encodes a request (RFC 9112, section 3). Pure."""

from __future__ import annotations

from monitor import __version__
from monitor.probes.http import cookies
from monitor.probes.http.redirects import Request

_DEFAULTS = {
    "User-Agent": f"monitor/{__version__} (website monitoring)",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}
_PLAIN = "".join(f"{name}: {value}\r\n" for name, value in _DEFAULTS.items()) + (
    "Connection: close\r\n\r\n"
)
_EXPECT_BODY = frozenset({"POST", "PUT", "PATCH"})
_FORBIDDEN = frozenset("\r\n\0")


def encode(request: Request) -> bytes:
    """Head and body. The owner's headers replace our defaults.

    Raises ValueError for a header with a line break.
    """
    to = request.target
    first = f"{request.method} {to.path} HTTP/1.1\r\n"
    plain = not request.headers and request.body is None and not request.cookies
    if plain and request.method not in _EXPECT_BODY:
        return f"{first}Host: {to.authority}\r\n{_PLAIN}".encode()
    lines = [f"{name}: {value}\r\n" for name, value in _headers(request).items()]
    if any(_FORBIDDEN & set(line[:-2]) for line in lines):
        raise ValueError("a header of the request has a line break in it")
    head = "".join([first, *lines, "Connection: close\r\n\r\n"])
    return head.encode(errors="surrogateescape") + (request.body or b"")


def _headers(request: Request) -> dict[str, str]:
    own = {name.lower() for name in request.headers}
    defaults = {"Host": request.target.authority, **_DEFAULTS}
    if request.body is not None:
        # Only the owner knows the type (RFC 9110, section 8.3).
        defaults["Content-Type"] = "application/octet-stream"
    headers = {n: v for n, v in defaults.items() if n.lower() not in own} | request.headers
    if request.cookies:
        headers = _with_cookies(headers, request)
    if request.body is not None or request.method in _EXPECT_BODY:
        headers["Content-Length"] = str(len(request.body or b""))
    return headers


def _with_cookies(headers: dict[str, str], request: Request) -> dict[str, str]:
    """Cookies that redirects have set join those that the owner sends, if there are any."""
    own = next((value for name, value in headers.items() if name.lower() == "cookie"), "")
    others = {name: value for name, value in headers.items() if name.lower() != "cookie"}
    line = cookies.header(request.cookies, own, request.target)
    return others | {"Cookie": line} if line else others
