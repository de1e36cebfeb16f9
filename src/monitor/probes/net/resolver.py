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
MAX_ALONE = 64

_FLAGS = pycares.ARES_FLAG_EDNS | pycares.ARES_FLAG_NOSEARCH | pycares.ARES_FLAG_NOALIASES
"""A website's name is complete: the search domains of the host we run on do not apply to it."""

_AI_NOSORT = 1 << 7
"""ARES_AI_NOSORT of <ares.h>, which pycares does not name. Sorting opens a socket an address."""


class Resolver:
    """Looks names up in the hosts file and the DNS. One per event loop; close() gives it back.

    c-ares keeps answers for as long as their TTL allows, up to an hour, and cannot be told
    otherwise through pycares. A monitor wants to know what the DNS says now: so the store is
    emptied ``MAX_AGE_S`` after the first lookup that filled it.

    Whether the hosts file comes before the DNS is the system's choice (nsswitch.conf). It
    cannot be ours: pycares 5.2 frees the text of its ``lookups`` option before c-ares reads
    it, and now and then a resolver then looks nowhere.

    An answer that cannot be read makes c-ares give up all that was asked over the same socket,
    other websites' names among them. So whatever failed that way is asked for once more, each
    name over a socket of its own, ``MAX_ALONE`` at once and without retries, so that names whose
    servers fall silent then do not keep the others waiting.
    """

    def __init__(self, servers: Sequence[str] = ()) -> None:
        """``servers`` are "address" or "address:port"; none means those of the system."""
        self._loop = asyncio.get_running_loop()
        self._servers = list(servers) or None
        self._dns = self._opened(QUERY_TRIES)
        self._alone = asyncio.Semaphore(MAX_ALONE)
        self._emptying: asyncio.TimerHandle | None = None
        self._stub = StubResolver(self._servers_now, HostsFile())

    async def lookup(self, host: str) -> list[str]:
        """At most four addresses of a host, IPv4 and IPv6 in turn, IPv4 first.

        IPv4 leads because a region without IPv6 is common and one without IPv4 is not.
        Raises CheckFailed where there is none.
        """
        try:
            found = await self._ask(host, socket.AF_UNSPEC)
        except aiodns.error.DNSError as error:
            raise CheckFailed(of_dns_error(error.args[0], host)) from error
        return interleaved(_of(found, socket.AF_INET), _of(found, socket.AF_INET6))

    async def lookup_first(self, host: str) -> str | None:
        """The address that ``lookup`` would begin with, for a part of what that costs: only IPv4
        is asked for, and c-ares only where our own question brings none.

        None where ``lookup`` knows more, of an address or of why there is none.
        """
        if (address := await self._stub.first_address(host)) is not None:
            return address
        try:
            found = await self._ask(host, socket.AF_INET)
        except aiodns.error.DNSError:
            return None
        return next(_of(found, socket.AF_INET), None)

    async def _ask(self, host: str, family: socket.AddressFamily) -> pycares.AddrInfoResult:
        if self._emptying is None:
            self._emptying = self._loop.call_later(MAX_AGE_S, self._empty)
        try:
            return await _addresses(self._dns, host, family)
        except aiodns.error.DNSError as error:
            if error.args[0] != pycares.errno.ARES_EBADRESP:
                raise
        async with self._alone:
            dns = self._opened(tries=1)
            try:
                return await _addresses(dns, host, family)
            finally:
                await dns.close()

    def _opened(self, tries: int) -> aiodns.DNSResolver:
        return aiodns.DNSResolver(
            nameservers=self._servers,
            loop=self._loop,
            flags=_FLAGS,
            timeout=QUERY_TIMEOUT_S,
            tries=tries,
        )

    def _servers_now(self) -> list[str]:
        """Those that c-ares would ask; the system's are read again for the next time."""
        channel = self._dns._channel
        if self._servers is None:
            channel.reinit()
        found: list[str] = channel.servers
        return found

    def _empty(self) -> None:
        self._emptying = None
        self._dns._channel.reinit()  # aiodns has no name of its own for it

    async def close(self) -> None:
        """Stop; lookups under way fail."""
        self._stub.close()
        if self._emptying is not None:
            self._emptying.cancel()
        await self._dns.close()


async def _addresses(
    dns: aiodns.DNSResolver, host: str, family: socket.AddressFamily
) -> pycares.AddrInfoResult:
    return await dns.getaddrinfo(host, family=family, type=socket.SOCK_STREAM, flags=_AI_NOSORT)


def _of(found: pycares.AddrInfoResult, family: socket.AddressFamily) -> Iterator[str]:
    return (node.addr[0].decode() for node in found.nodes if node.family == family)


def interleaved(first: Iterable[str], second: Iterable[str]) -> list[str]:
    """Take one of each in turn, ``MAX_ADDRESSES`` in all."""
    pairs = chain.from_iterable(zip_longest(first, second))
    return list(islice((a for a in pairs if a is not None), MAX_ADDRESSES))
