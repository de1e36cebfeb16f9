"""Which name a server is asked for in a TLS handshake. Pure.

It is the name of its virtual host (SNI, RFC 6066, section 3), and the one that its certificate must
hold.
"""

from __future__ import annotations

import re

from monitor.domain.hosts import is_odd_address
from monitor.probes.http.redirects import Request
from monitor.probes.net.address_policy import is_address

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_HEADER = re.compile(rf"(?:\[([0-9A-Fa-f:.]+)\]|({_LABEL}(?:\.{_LABEL})*)\.?)(?::[0-9]*)?")
"""RFC 9110, section 7.2: a host and perhaps a port."""

_MAX_NAME_LENGTH = 253


def server_name(request: Request) -> str:
    """The host of the URL; for an address that of the owner's Host header, if there is one.

    Whoever sends a Host header to an address wants one website of a server that has many, or one
    server of a website that has many. Where the URL has a name, it is that name, as for curl.
    """
    host = request.target.host
    if not request.headers or not is_address(host):
        return host
    own = next((value for name, value in request.headers.items() if name.lower() == "host"), "")
    return _host_of(own) or host


def _host_of(header: str) -> str:
    """The host in a Host header, in lower case; "" where there is none to ask a server for."""
    match = _HOST_HEADER.fullmatch(header)
    if match is None:
        return ""
    address, name = match.groups()
    if address:
        return address.lower() if is_address(address) else ""
    return "" if len(name) > _MAX_NAME_LENGTH or is_odd_address(name) else name.lower()
