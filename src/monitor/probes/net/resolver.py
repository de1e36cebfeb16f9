"""From a host name to a few addresses: fresh lookups through c-ares."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, zip_longest

import aiodns
import pycares

from monitor.probes.net.hosts_file import HostsFile
from monitor.probes.net.reasons import CheckFailed, of_dns_error
from monitor.probes.net.stub_resolver import StubResolver

MAX_ADDRESSES = 4
QUERY_TIMEOUT_S = 2.0
QUERY_TRIES = 3
MAX_AGE_S = 1.0
MAX_ISOLATED = 64

_FLAGS = pycares.ARES_FLAG_EDNS | pycares.ARES_FLAG_NOSEARCH | pycares.ARES_FLAG_NOALIASES
"""A website's name is complete: search domains of this host must not be appended to it."""

_AI_NOSORT = 1 << 7
"""ARES_AI_NOSORT of <ares.h>, which pycares does not export. Sorting opens a socket per address."""


class Resolver:
    """Looks names up in the hosts file and the DNS. One per event loop; close() releases it.

    c-ares caches answers for their TTL, up to an hour, and pycares offers no way to change that.
    A monitor needs what the DNS says now, so the cache is flushed ``MAX_AGE_S`` after the first
    lookup that filled it.

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
        self._flush_timer: asyncio.TimerHandle | None = None
        self._stub = StubResolver(self.current_servers, HostsFile())

    async def lookup(self, host: str) -> list[str]:
        """At most four addresses of a host, IPv4 and IPv6 alternating, IPv4 first.

        IPv4 comes first because regions without IPv6 are common and regions without IPv4 are not.
        Raises CheckFailed where there is no address.
        """
        try:
            result = await self._query(host, socket.AF_UNSPEC)
        except aiodns.error.DNSError as error:
            raise CheckFailed(of_dns_error(error.args[0], host)) from error
        return interleaved(_of(result, socket.AF_INET), _of(result, socket.AF_INET6))

    async def lookup_first(self, host: str) -> str | None:
        """The first address of ``lookup`` at a fraction of its cost: IPv4 only, and c-ares only
        where our own query brings no answer.

        None where ``lookup`` must decide, be it for an address or for the reason of the failure.
        """
        if (address := await self._stub.first_address(host)) is not None:
            return address
        try:
            result = await self._query(host, socket.AF_INET)
        except aiodns.error.DNSError:
            return None
        return next(_of(result, socket.AF_INET), None)

    async def _query(self, host: str, family: socket.AddressFamily) -> pycares.AddrInfoResult:
        if self._flush_timer is None:
            self._flush_timer = self._loop.call_later(MAX_AGE_S, self._flush_cache)
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
        self._flush_timer = None
        self._dns._channel.reinit()  # aiodns does not offer it

    async def close(self) -> None:
        """Stop; pending lookups fail."""
        self._stub.close()
        if self._flush_timer is not None:
            self._flush_timer.cancel()
        await self._dns.close()


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
