"""From a host name to a few addresses: fresh lookups through c-ares."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Hashable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice, zip_longest
from typing import NamedTuple

import aiodns
import pycares

from monitor.probes.net.dns_wire import Answer
from monitor.probes.net.hosts_file import HostsFile
from monitor.probes.net.reasons import CheckFailed, of_dns_error
from monitor.probes.net.shared_answers import SharedAnswers
from monitor.probes.net.stub_resolver import Received, StubResolver

MAX_ADDRESSES = 4
QUERY_TIMEOUT_S = 2.0
QUERY_TRIES = 3
MAX_ISOLATED = 64

_FLAGS = pycares.ARES_FLAG_EDNS | pycares.ARES_FLAG_NOSEARCH | pycares.ARES_FLAG_NOALIASES
"""A website's name is complete: search domains of this host must not be appended to it."""

_AI_NOSORT = 1 << 7
"""ARES_AI_NOSORT of <ares.h>, which pycares does not export. Sorting opens a socket per address."""


class First(NamedTuple):
    """An address of a host. ``shared``: another check looked it up."""

    address: str
    shared: bool


class All(NamedTuple):
    """Some addresses of a host. ``shared``: another check looked them up."""

    addresses: list[str]
    shared: bool


class _Asked(NamedTuple):
    result: pycares.AddrInfoResult
    joined: bool


class Resolver:
    """Looks names up in the hosts file and the DNS. One per event loop; close() releases it.

    Concurrent lookups of one name share a query. An address is then shared by checks of the same
    slot, a failure by nobody: see ``SharedAnswers``.

    c-ares caches answers for their TTL, up to an hour, failures among them, and pycares offers no
    way to change that. A monitor needs what the DNS says now, so the cache is flushed after each
    lookup.

    The system decides whether the hosts file comes before the DNS (nsswitch.conf). We cannot:
    pycares 5.2 frees the text of its ``lookups`` option before c-ares reads it, and now and then
    the resolver then looks nowhere.

    A malformed answer makes c-ares fail every query on the same socket, those for other websites
    included. So a lookup that failed this way is repeated in isolation: each name on a socket of
    its own, at most ``MAX_ISOLATED`` at once and without retries, so that servers that then fall
    silent do not delay the others.
    """

    def __init__(self, servers: Sequence[str] = ()) -> None:
        """``servers`` are "address" or "address:port"; none means the system's servers."""
        self._loop = asyncio.get_running_loop()
        self._servers = list(servers) or None
        self._dns = self._new_resolver(QUERY_TRIES)
        self._isolated = asyncio.Semaphore(MAX_ISOLATED)
        self._closed = False
        self._pending: dict[tuple[str, int], asyncio.Task[pycares.AddrInfoResult]] = {}
        self._flush: asyncio.Handle | None = None
        self._stub = StubResolver(self.current_servers, HostsFile())
        self._shared = SharedAnswers()

    async def lookup(self, host: str) -> All:
        """At most four addresses of a host, IPv4 and IPv6 alternating, IPv4 first.

        IPv4 comes first because regions without IPv6 are common and regions without IPv4 are not.
        Raises CheckFailed where there is no address.
        """
        try:
            result, joined = await self._query(host, socket.AF_UNSPEC)
        except aiodns.error.DNSError as error:
            raise CheckFailed(of_dns_error(error.args[0], host)) from error
        addresses = interleaved(_of(result, socket.AF_INET), _of(result, socket.AF_INET6))
        return All(addresses, joined)

    async def lookup_first(self, host: str, slot: Hashable = None) -> First | None:
        """The first address of ``lookup`` at a fraction of its cost: IPv4 only, and c-ares only
        where our own query brings no answer. Checks of the same ``slot`` share it; those without
        one share queries under way alone.

        None where ``lookup`` must decide, be it for an address or for the reason of the failure.
        """
        address = self._shared.get(slot, host, self._loop.time())
        if address is not None:
            return First(address, shared=True)
        received = await self._stub.first_address(host)
        if received is None:
            received = await self._first_by_c_ares(host)
        if received is None or not received.answer.address:
            return None
        address, ttl_s = received.answer
        if slot is not None:
            self._shared.put(slot, host, address, ttl_s, self._loop.time())
        return First(address, received.joined)

    async def _first_by_c_ares(self, host: str) -> Received | None:
        try:
            result, joined = await self._query(host, socket.AF_INET)
        except aiodns.error.DNSError:
            return None
        address = next(_of(result, socket.AF_INET), "")
        ttls_s = [node.ttl for node in result.nodes] + [alias.ttl for alias in result.cnames]
        return Received(Answer(address, min(ttls_s, default=0)), joined)

    async def _query(self, host: str, family: socket.AddressFamily) -> _Asked:
        """What c-ares says, which may be asked for another caller already. Raises DNSError."""
        key = (host.lower(), int(family))
        asking = self._pending.get(key)
        joined = asking is not None
        if asking is None:
            asking = self._pending[key] = self._loop.create_task(self._ask(host, family))
            asking.add_done_callback(partial(self._asked, key))
        try:
            return _Asked(await asyncio.shield(asking), joined)
        except asyncio.CancelledError:
            if asking.cancelled():  # by close()
                raise aiodns.error.DNSError(pycares.errno.ARES_EDESTRUCTION) from None
            raise

    def _asked(self, key: tuple[str, int], asking: asyncio.Task[pycares.AddrInfoResult]) -> None:
        del self._pending[key]
        if not asking.cancelled():
            asking.exception()  # nobody need be waiting any more
        if self._flush is None and not self._closed:
            self._flush = self._loop.call_soon(self._flush_cache)

    async def _ask(self, host: str, family: socket.AddressFamily) -> pycares.AddrInfoResult:
        try:
            return await _addresses(self._dns, host, family)
        except aiodns.error.DNSError as error:
            if error.args[0] != pycares.errno.ARES_EBADRESP:
                raise
        async with self._isolated:
            dns = self._new_resolver(tries=1)
            try:
                return await _addresses(dns, host, family)
            finally:
                await dns.close()

    def _new_resolver(self, tries: int) -> aiodns.DNSResolver:
        return aiodns.DNSResolver(
            nameservers=self._servers,
            loop=self._loop,
            flags=_FLAGS,
            timeout=QUERY_TIMEOUT_S,
            tries=tries,
        )

    def current_servers(self) -> list[str]:
        """The servers that c-ares would query; the system's are read again for the next call."""
        channel = self._dns._channel
        if self._servers is None:
            channel.reinit()
        servers: list[str] = channel.servers
        return servers

    def _flush_cache(self) -> None:
        self._flush = None
        if not self._closed:
            self._dns._channel.reinit()  # aiodns does not offer it

    async def close(self) -> None:
        """Stop; pending lookups fail."""
        self._closed = True
        self._stub.close()
        await self._dns.close()
        for asking in self._pending.values():
            asking.cancel()
        await asyncio.gather(*self._pending.values(), return_exceptions=True)


async def _addresses(
    dns: aiodns.DNSResolver, host: str, family: socket.AddressFamily
) -> pycares.AddrInfoResult:
    return await dns.getaddrinfo(host, family=family, type=socket.SOCK_STREAM, flags=_AI_NOSORT)


def _of(result: pycares.AddrInfoResult, family: socket.AddressFamily) -> Iterator[str]:
    return (node.addr[0].decode() for node in result.nodes if node.family == family)


def interleaved(first: Iterable[str], second: Iterable[str]) -> list[str]:
    """Alternate between the two, ``MAX_ADDRESSES`` in all."""
    pairs = chain.from_iterable(zip_longest(first, second))
    return list(islice((a for a in pairs if a is not None), MAX_ADDRESSES))
