"""The connectivity: whether a region still has a network."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

from monitor.probes.net.reference_hosts import ConnectivityProbe
from support.targets import TargetServer, refusing_port, silent, unanswering_port
from support.targets_loops import on_both_loops


@on_both_loops
async def test_without_targets_the_network_is_assumed():
    assert await ConnectivityProbe([]).has_network()


@on_both_loops
async def test_one_target_that_accepts_is_enough():
    async with TargetServer(silent) as target:
        with refusing_port() as refusing, unanswering_port() as unanswering:
            ports = (refusing, unanswering, target.port)
            connectivity = ConnectivityProbe([("127.0.0.1", port) for port in ports])
            began_s = time.monotonic()
            answer = await connectivity.has_network()
            took_s = time.monotonic() - began_s
        await target.idle()

    assert answer
    assert took_s < 1


@on_both_loops
async def test_no_target_that_accepts_means_no_network_within_the_timeout():
    with refusing_port() as refusing, unanswering_port() as unanswering:
        references = [("127.0.0.1", refusing), ("127.0.0.1", unanswering)]
        connectivity = ConnectivityProbe(references, timeout_s=0.3)
        began_s = time.monotonic()
        answer = await connectivity.has_network()

    assert not answer
    assert 0.25 < time.monotonic() - began_s < 1


@on_both_loops
async def test_callers_share_a_probe():
    async with TargetServer(silent) as target:
        connectivity = ConnectivityProbe([("127.0.0.1", target.port)], min_gap_s=0)
        answers = await asyncio.gather(*(connectivity.has_network() for _ in range(50)))
        await target.idle()

    assert all(answers)
    assert target.accepted == 1


@on_both_loops
async def test_probes_keep_their_gap_however_many_callers():
    async with TargetServer(silent) as target:
        connectivity = ConnectivityProbe([("127.0.0.1", target.port)], min_gap_s=0.2)

        async def ask():
            for _ in range(5):
                assert await connectivity.has_network()

        began_s = time.monotonic()
        await asyncio.gather(*(ask() for _ in range(20)))
        took_s = time.monotonic() - began_s
        await target.idle()

    # then each of the five times all of them had one look, and the first did not wait
    assert target.accepted == 5
    assert took_s > 4 * 0.19


@on_both_loops
async def test_an_earlier_result_is_not_reused():
    async with TargetServer(silent) as target:
        connectivity = ConnectivityProbe([("127.0.0.1", target.port)], min_gap_s=0)
        assert await connectivity.has_network()
        await target.idle()
    # when the network is gone
    assert not await connectivity.has_network()
    # then that holds until it was looked for again
    async with TargetServer(silent, port=target.port) as target:
        assert not await connectivity.has_network()
        assert target.accepted == 0
        await connectivity.close()


@on_both_loops
async def test_a_caller_during_a_probe_waits_for_a_later_one():
    with socket.socket() as listener:
        # given a look that began before something failed, and that has no answer yet
        fillers = _fill(listener)
        connectivity = ConnectivityProbe([listener.getsockname()], min_gap_s=0, timeout_s=20)
        before = asyncio.create_task(connectivity.has_network())
        await asyncio.sleep(0.1)
        after = asyncio.create_task(connectivity.has_network())
        await asyncio.sleep(0)
        # when it comes, and is yes
        listener.listen(8)
        for filler in fillers:
            listener.accept()[0].close()
            filler.close()
        assert await before
        assert await after
        # then the failure was judged by a look of its own
        assert _accepted(listener) == 2


def _fill(listener):
    """Let a listener answer nobody, until it has accepted those that this returns."""
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    fillers = [socket.socket() for _ in range(2)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
    return fillers


def _accepted(listener):
    """How many connections wait."""
    listener.setblocking(False)
    number = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            number += 1
    return number


@on_both_loops
async def test_a_cancelled_caller_does_not_cancel_the_probe():
    with unanswering_port() as port:
        connectivity = ConnectivityProbe([("127.0.0.1", port)], timeout_s=0.3)
        impatient, patient = [asyncio.create_task(connectivity.has_network()) for _ in range(2)]
        await asyncio.wait([patient], timeout=0.05)
        impatient.cancel()

        assert await patient is False
        assert impatient.cancelled()


@on_both_loops
async def test_the_time_before_the_network_returned_is_unknown():
    with refusing_port() as port:
        connectivity = ConnectivityProbe([("127.0.0.1", port)], min_gap_s=0, interval_s=0)
        assert not await connectivity.has_network()
    # when it is back
    async with TargetServer(silent, port=port) as target:
        while not await connectivity.has_network():  # noqa: ASYNC110 - it tells nothing but what it is asked
            await asyncio.sleep(0.01)
        # then what lasted since before is not to be believed, nor what is told of that time later
        assert not await connectivity.has_network(10)
        assert not await connectivity.has_network(10)
        assert await connectivity.has_network()
        await target.idle()


@on_both_loops
async def test_an_outage_while_checks_hung_is_known_when_they_time_out():
    with refusing_port() as port:
        connectivity = ConnectivityProbe([("127.0.0.1", port)], min_gap_s=0, interval_s=0.2)
        # given a check that hangs while there is no network
        began_s = time.monotonic()
        connectivity.refresh()
        await asyncio.sleep(0.1)
    # when it times out after the network is back
    async with TargetServer(silent, port=port) as target:
        while not await connectivity.has_network():  # noqa: ASYNC110 - it tells nothing but what it is asked
            await asyncio.sleep(0.01)
        assert not await connectivity.has_network(time.monotonic() - began_s)
        await target.idle()


@on_both_loops
async def test_refreshes_are_rate_limited():
    async with TargetServer(silent) as target:
        connectivity = ConnectivityProbe([("127.0.0.1", target.port)], interval_s=60)
        for _ in range(10):
            connectivity.refresh()
            await asyncio.sleep(0.01)
        assert target.accepted == 1
        await target.idle()


@on_both_loops
async def test_the_probe_notices_the_return_of_the_network_by_itself():
    with refusing_port() as port:
        connectivity = ConnectivityProbe([("127.0.0.1", port)], interval_s=0.05, min_gap_s=0)
        assert not await connectivity.has_network()
    async with TargetServer(silent, port=port) as target:
        # when nobody asks
        while not target.accepted:  # noqa: ASYNC110 - the connectivity tells nothing but what it is asked
            await asyncio.sleep(0.01)
        await target.idle()
        await asyncio.sleep(0.1)
        accepted = target.accepted
        # then what begins now is known, and it asks no more
        assert await connectivity.has_network(0.05)
        await target.idle()
        await asyncio.sleep(0.2)
        assert target.accepted == accepted + 1
        await connectivity.close()


@on_both_loops
async def test_a_closed_probe_makes_no_connections():
    with refusing_port() as port:
        connectivity = ConnectivityProbe([("127.0.0.1", port)], interval_s=0)
        assert not await connectivity.has_network()
        await connectivity.close()
    async with TargetServer(silent, port=port) as target:
        await asyncio.sleep(0.1)
        assert target.accepted == 0
