"""The quick look-up: one question, good news alone; all else is left to c-ares."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from monitor.probes.net import stub_resolver
from monitor.probes.net.hosts_file import HostsFile
from monitor.probes.net.resolver import First, Resolver
from monitor.probes.net.stub_resolver import StubResolver
from support.dns import NXDOMAIN, SERVFAIL, SILENT, DnsServer
from support.targets_loops import on_both_loops

A = 1
FIRST = ["192.0.2.7", "192.0.2.8"]


class ByHand:
    """A server whose answers the test sends itself."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.sock.getsockname()[1]}"

    async def asked(self):
        """(query, who asked)."""
        loop, there = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self.sock.fileno(), there.set)  # uvloop has no sock_recvfrom
        try:
            await there.wait()
        finally:
            loop.remove_reader(self.sock.fileno())
        return self.sock.recvfrom(512)

    def answer(self, query, who, *, number=None, last=7):
        number = struct.unpack("!H", query[:2])[0] if number is None else number
        head = struct.pack("!6H", number, 0x8180, 1, 1, 0, 0)
        record = struct.pack("!HHHIH4B", 0xC00C, A, 1, 60, 4, 192, 0, 2, last)
        self.sock.sendto(head + query[12:] + record, who)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def stub(*servers, hosts=None):
    return StubResolver(lambda: servers, hosts or HostsFile())


async def address_by(resolver, host="shop.test"):
    """The address that a query brought, or None."""
    received = await resolver.first_address(host)
    return None if received is None else received.answer.address


@pytest.fixture
def patient(monkeypatch):
    """Nothing ends because its time has passed."""
    monkeypatch.setattr(stub_resolver, "SOCKET_LIFETIME_S", 600)


@pytest.fixture
def short(monkeypatch):
    """Sockets that last for a tenth of a second."""
    monkeypatch.setattr(stub_resolver, "SOCKET_LIFETIME_S", 0.1)
    monkeypatch.setattr(stub_resolver, "GRACE_S", 0.1)


@on_both_loops
async def test_a_name_costs_one_query():
    async with DnsServer({"shop.test": FIRST}) as dns:
        resolver = Resolver([dns.address])
        try:
            assert await resolver.lookup_first("Shop.test.") == First("192.0.2.7", shared=False)
        finally:
            await resolver.close()

    assert dns.queries == [("shop.test", A)]


@on_both_loops
async def test_lookups_of_the_same_name_share_a_query():
    async with DnsServer({"shop.test": FIRST}) as dns:
        resolver = stub(dns.address)
        received = await asyncio.gather(
            *(resolver.first_address(name) for name in ["shop.test", "Shop.test."] * 50)
        )
        assert {r.answer.address for r in received} == {"192.0.2.7"}
        assert [r.joined for r in received] == [False] + [True] * 99
        assert dns.queries == [("shop.test", A)]

        # and nothing is kept of its answer
        assert await address_by(resolver) == "192.0.2.7"
        resolver.close()

    assert dns.queries == [("shop.test", A)] * 2


@on_both_loops
async def test_lookups_share_a_query_sent_over_a_socket_that_was_replaced(short):
    with ByHand() as server:
        resolver = stub(server.address)
        first = asyncio.create_task(address_by(resolver))
        query, who = await server.asked()
        await asyncio.sleep(0.12)
        second = asyncio.create_task(address_by(resolver))
        await asyncio.sleep(0)
        server.answer(query, who)
        assert await asyncio.gather(first, second) == ["192.0.2.7"] * 2
        resolver.close()


@on_both_loops
async def test_two_hundred_names_at_once_each_get_their_own_answer():
    names = {f"n{n}.test": [f"192.0.2.{n}"] for n in range(200)}  # more, and the server loses some
    async with DnsServer(names) as dns:
        resolver = stub(dns.address)
        found = await asyncio.gather(*(address_by(resolver, name) for name in names))
        resolver.close()

    assert [[address] for address in found] == list(names.values())


@on_both_loops
async def test_a_cancelled_lookup_does_not_affect_others():
    with ByHand() as server:
        resolver = stub(server.address)
        first, second = (asyncio.create_task(address_by(resolver)) for _ in range(2))
        query, who = await server.asked()
        first.cancel()
        server.answer(query, who)
        assert await second == "192.0.2.7"
        resolver.close()


async def _both_asked(server, resolver):
    """Two look-ups that wait, their queries, and who asked."""
    names = ("shop.test", "other.test")
    waiting = [asyncio.create_task(address_by(resolver, name)) for name in names]
    queries, askers = zip(*[await server.asked() for _ in names], strict=True)
    return waiting, queries, askers[0]


@on_both_loops
async def test_an_answer_to_another_query_is_left_to_c_ares(patient):
    with ByHand() as server:
        resolver = stub(server.address)
        waiting, queries, who = await _both_asked(server, resolver)
        # when
        server.answer(queries[0].replace(b"shop", b"evil"), who, last=66)
        server.answer(queries[1], who)
        # then
        assert await asyncio.gather(*waiting) == [None, "192.0.2.7"]
        resolver.close()


@on_both_loops
async def test_an_unmatched_answer_leaves_pending_lookups_to_c_ares(patient):
    with ByHand() as server:
        resolver = stub(server.address)
        waiting, queries, who = await _both_asked(server, resolver)
        # when a number comes that was not asked for
        numbers = {query[:2] for query in queries}
        number = next(n for n in range(3) if struct.pack("!H", n) not in numbers)
        server.answer(queries[0], who, number=number, last=66)
        # then
        assert await asyncio.gather(*waiting) == [None, None]
        # and nothing more is asked over this socket
        assert await resolver.first_address("third.test") is None
        resolver.close()


@on_both_loops
async def test_answers_from_other_hosts_are_ignored():
    with ByHand() as server, ByHand() as stranger:
        resolver = stub(server.address)
        waiting = asyncio.create_task(address_by(resolver))
        query, who = await server.asked()
        stranger.answer(query, who, last=66)
        server.answer(query, who)
        assert await waiting == "192.0.2.7"
        resolver.close()


@on_both_loops
async def test_a_name_without_an_address_is_told_apart_from_silence(patient):
    async with DnsServer({"gone.test": NXDOMAIN, "broken.test": SERVFAIL}) as dns:
        resolver = stub(dns.address)
        assert await address_by(resolver, "gone.test") == ""
        assert await resolver.first_address("broken.test") is None
        resolver.close()


@pytest.mark.parametrize(
    "host", ["shop", "box.test", "Box.Test.", "a.localhost", "a.onion", "a\\.b.test"]
)
@on_both_loops
async def test_reserved_names_are_never_queried(host, tmp_path):
    (tmp_path / "hosts").write_text("10.0.0.1 box.test\n")
    async with DnsServer({}) as dns:
        resolver = stub(dns.address, hosts=HostsFile(tmp_path / "hosts"))
        assert await resolver.first_address(host) is None
        resolver.close()

    assert dns.queries == []


@on_both_loops
async def test_sockets_are_replaced(short):
    with ByHand() as server:
        resolver = stub(server.address)
        ports = []
        for last in (7, 8):
            waiting = asyncio.create_task(address_by(resolver))
            query, who = await server.asked()
            server.answer(query, who, last=last)
            assert await waiting == f"192.0.2.{last}"
            ports.append(who)
            await asyncio.sleep(0.15)  # its time passes
        resolver.close()

    assert ports[0] != ports[1]


@on_both_loops
async def test_an_answer_after_the_socket_was_replaced_counts(short):
    with ByHand() as server:
        resolver = stub(server.address)
        waiting = asyncio.create_task(address_by(resolver))
        query, who = await server.asked()
        await asyncio.sleep(0.12)
        server.answer(query, who)
        assert await waiting == "192.0.2.7"
        resolver.close()


@on_both_loops
async def test_a_silent_server_is_left_to_c_ares_for_a_while(short):
    async with DnsServer({"shop.test": SILENT}) as dns:
        resolver = stub(dns.address)
        assert await resolver.first_address("shop.test") is None
        assert await resolver.first_address("shop.test") is None
        resolver.close()

    assert dns.queries == [("shop.test", A)]


@on_both_loops
async def test_a_server_that_answers_other_queries_stays_in_use(short):
    async with DnsServer({"slow.test": SILENT, "shop.test": FIRST}) as dns:
        resolver = stub(dns.address)
        found = await asyncio.gather(
            address_by(resolver, "slow.test"), address_by(resolver, "shop.test")
        )
        assert found == [None, "192.0.2.7"]
        assert await address_by(resolver) == "192.0.2.7"
        resolver.close()


@pytest.mark.parametrize("server", ["[::1]:1", "127.0.0.1:1", "[fe80::1%none]:53", "", None])
@on_both_loops
async def test_an_unreachable_server_is_left_to_c_ares_at_once(server, patient):
    resolver = stub(*([] if server is None else [server]))
    assert await resolver.first_address("shop.test") is None
    resolver.close()


@on_both_loops
async def test_all_lookups_at_a_missing_server_end(patient):
    # the second question is the one that learns of it
    resolver = stub("127.0.0.1:1")
    names = [resolver.first_address(name) for name in ("a.test", "b.test")]
    assert await asyncio.gather(*names) == [None, None]
    resolver.close()


@on_both_loops
async def test_closing_ends_pending_lookups(patient):
    with ByHand() as server:
        resolver = stub(server.address)
        waiting = asyncio.create_task(address_by(resolver))
        await server.asked()
        resolver.close()
        assert await waiting is None
        assert await resolver.first_address("shop.test") is None
