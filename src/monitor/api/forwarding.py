"""The address of a client behind proxies, from X-Forwarded-For and Forwarded (RFC 7239).

Every proxy appends the address that it was asked from. What a client sends itself stands to the
left of that, so addresses are read from the right, over as many hops as are trusted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from monitor.runtime.logging import get_logger

log = get_logger(__name__)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Hops = list[Address | None]
"""The addresses in a header, the nearest one last; None: not an address."""

_X_FORWARDED_FOR, _FORWARDED = b"x-forwarded-for", b"forwarded"

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110, section 5.6.2
_QUOTED = r'"(?:[^"\\]|\\.)*"'
# Colons and brackets belong into quotes, but not everybody knows.
_PAIR = re.compile(rf'\s*({_TOKEN})=({_QUOTED}|[^",;\s=\\]+)\s*')
_BLANKS = re.compile(r"\s*")
_WITH_PORT = re.compile(r"\[([^\]]*)\](?::[^:]*)?|([0-9.]+):[^:]*")


class ForwardedClients:
    """Puts the client's address in the place of the proxy's, where that proxy is trusted.

    ``client`` of a request is an IP address afterwards, in one way of writing it, or None.
    """

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = trusted
        self._warned: set[str] = set()

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """The application behind this."""

        async def forwarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == ScopeType.HTTP:
                scope["client"] = self._client_of(scope)
            await app(scope, receive, send)

        return forwarded

    def _client_of(self, scope: Scope) -> tuple[str, int] | None:
        peer = scope["client"]
        address = parse_address(peer[0]) if peer else None
        client = self.client(address, scope["headers"])
        if client is None:
            return None
        return str(client), peer[1] if peer and client == address else 0

    def client(
        self, peer: Address | None, headers: Iterable[tuple[bytes, bytes]]
    ) -> Address | None:
        """The address of the client: the first that is not trusted, counted from the right.

        Where a proxy does not know or does not say it, that of the last hop that is known.
        """
        sent = [(n, v.decode("latin-1")) for n, v in headers if n in (_X_FORWARDED_FOR, _FORWARDED)]
        if not sent:
            return peer
        if peer is None or not self.trusts(peer):
            self._warn_of_untrusted(peer)
            return peer
        clients = {self._walk(peer, hops) for hops in _chains(sent)}
        if len(clients) > 1:
            self._warn_of_contradiction(peer)
            return peer
        return clients.pop()

    def trusts(self, address: Address) -> bool:
        """Whether this is a proxy of ours."""
        return any(address in network for network in self._trusted)

    def _walk(self, peer: Address, hops: Hops) -> Address:
        address = peer
        for hop in reversed(hops):
            if hop is None:
                break
            address = hop
            if not self.trusts(address):
                break
        return address

    def _warn_of_untrusted(self, peer: Address | None) -> None:
        self._warn_once(
            "forwarding.not_trusted",
            peer=str(peer),
            help=f"if this is a proxy of yours, set MONITOR_TRUSTED_PROXIES={peer}; until then "
            "its address stands for all of its clients",
        )

    def _warn_of_contradiction(self, peer: Address) -> None:
        self._warn_once(
            "forwarding.contradiction",
            peer=str(peer),
            help="Forwarded and X-Forwarded-For name two clients: have this proxy remove the one "
            "that it does not set itself",
        )

    def _warn_once(self, event: str, **details: str) -> None:
        """Once a process: anybody can send these headers."""
        if event not in self._warned:
            self._warned.add(event)
            log.warning(event, **details)


def _chains(sent: Sequence[tuple[bytes, str]]) -> Iterator[Hops]:
    """The hops of each of the two headers that was sent; several lines are one list."""
    for name, hops_of in ((_X_FORWARDED_FOR, _x_forwarded_for), (_FORWARDED, forwarded_hops)):
        lines = [value for n, value in sent if n == name]
        if lines:
            yield [hop for line in lines for hop in hops_of(line)]


def _x_forwarded_for(line: str) -> Hops:
    return [parse_address(word.strip().strip('"')) for word in line.split(",")]


def forwarded_hops(line: str) -> Hops:
    """The hops of a line of Forwarded: ``for=192.0.2.1;proto=https, for="[2001:db8::1]:4711"``.

    A line that is malformed anywhere is one unknown hop: an open quote of a client could otherwise
    swallow what a proxy appended to it.
    """
    hops: Hops = []
    position = -1
    while position < len(line):
        pairs, position = _element(line, position + 1)
        if pairs is None:
            return [None]
        if pairs:  # an empty element counts for nothing (RFC 9110, section 5.6.1)
            hops.append(parse_address(pairs.get("for", "")))
    return hops


def _element(line: str, position: int) -> tuple[dict[str, str] | None, int]:
    """The parameters from a position on, and where they end: at a comma or the line's end.

    None where they are malformed.
    """
    pairs: dict[str, str] = {}
    while (match := _PAIR.match(line, position)) is not None:
        name, value = match[1].lower(), match[2]
        if name in pairs:
            return None, position
        pairs[name] = re.sub(r"\\(.)", r"\1", value[1:-1]) if value[0] == '"' else value
        position = match.end()
        if line[position : position + 1] != ";":
            break
        position += 1
    position = _BLANKS.match(line, position).end()  # type: ignore[union-attr] # it always matches
    ended = position >= len(line) or line[position] == ","
    return (pairs if ended else None), position


def parse_address(text: str) -> Address | None:
    """The IP address in a hop, without its port; None if there is none (RFC 7239, section 6).

    An IPv4 address in an IPv6 one is itself (RFC 4291, section 2.5.5.2).
    """
    match = _WITH_PORT.fullmatch(text)
    try:
        address = ip_address((match[1] or match[2] or "") if match else text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or IPv6Address(int(address))  # without its zone
    return address
