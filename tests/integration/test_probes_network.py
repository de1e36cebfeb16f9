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
async def test_without_references_there_is_nothing_to_doubt():
    assert await ConnectivityProbe([]).has_network()


@on_both_loops
async def test_one_reference_that_accepts_is_enough_and_the_others_are_not_waited_for():
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
async def test_no_reference_that_accepts_means_no_network_and_it_is_known_in_time():
    with refusing_port() as refusing, unanswering_port() as unanswering:
        references = [("127.0.0.1", refusing), ("127.0.0.1", unanswering)]
        connectivity = ConnectivityProbe(references, timeout_s=0.3)
        began_s = time.monotonic()
        answer = await connectivity.has_network()

    assert not answer
    assert 0.25 < time.monotonic() - began_s < 1


@on_both_loops
async def test_callers_share_a_look():
    async with TargetServer(silent) as target:
        connectivity = ConnectivityProbe([("127.0.0.1", target.port)], min_gap_s=0)
        answers = await asyncio.gather(*(connectivity.has_network() for _ in range(50)))
        await target.idle()

    assert all(answers)
    assert target.accepted == 1


@on_both_loops
async def test_however_many_ask_again_and_again_looks_stay_apart():
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
async def test_a_yes_of_before_is_not_taken_for_now():
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
async def test_whoever_asks_while_a_look_is_under_way_waits_for_one_that_begins_later():
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
async def test_a_caller_that_gives_up_does_not_take_the_answer_from_the_others():
    with unanswering_port() as port:
        connectivity = ConnectivityProbe([("127.0.0.1", port)], timeout_s=0.3)
        impatient, patient = [asyncio.create_task(connectivity.has_network()) for _ in range(2)]
        await asyncio.wait([patient], timeout=0.05)
        impatient.cancel()

        assert await patient is False
        assert impatient.cancelled()


@on_both_loops
async def test_of_the_time_before_the_network_came_back_nothing_is_known():
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
async def test_that_a_network_was_away_while_checks_hung_is_known_when_they_time_out():
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
async def test_glances_are_few():
    async with TargetServer(silent) as target:
        connectivity = ConnectivityProbe([("127.0.0.1", target.port)], interval_s=60)
        for _ in range(10):
            connectivity.refresh()
            await asyncio.sleep(0.01)
        assert target.accepted == 1
        await target.idle()


@on_both_loops
async def test_it_finds_out_by_itself_when_the_network_is_back():
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
async def test_a_witness_that_is_closed_asks_no_more():
    with refusing_port() as port:
        connectivity = ConnectivityProbe([("127.0.0.1", port)], interval_s=0)
        assert not await connectivity.has_network()
        await connectivity.close()
    async with TargetServer(silent, port=port) as target:
        await asyncio.sleep(0.1)
        assert target.accepted == 0
