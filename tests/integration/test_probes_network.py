"""The witness: whether a region still has a network."""

from __future__ import annotations

import asyncio
import time

from monitor.probes.network import NetworkWitness
from support.targets import TargetServer, refusing_port, silent, unanswering_port
from support.targets_loops import on_both_loops


@on_both_loops
async def test_without_references_there_is_nothing_to_doubt():
    assert await NetworkWitness([]).has_network()


@on_both_loops
async def test_one_reference_that_accepts_is_enough_and_the_others_are_not_waited_for():
    async with TargetServer(silent) as target:
        with refusing_port() as refusing, unanswering_port() as unanswering:
            ports = (refusing, unanswering, target.port)
            witness = NetworkWitness([("127.0.0.1", port) for port in ports])
            began_s = time.monotonic()
            answer = await witness.has_network()
            took_s = time.monotonic() - began_s
        await target.idle()

    assert answer
    assert took_s < 1


@on_both_loops
async def test_no_reference_that_accepts_means_no_network_and_it_is_known_in_time():
    with refusing_port() as refusing, unanswering_port() as unanswering:
        references = [("127.0.0.1", refusing), ("127.0.0.1", unanswering)]
        witness = NetworkWitness(references, timeout_s=0.3)
        began_s = time.monotonic()
        answer = await witness.has_network()

    assert not answer
    assert 0.25 < time.monotonic() - began_s < 1


@on_both_loops
async def test_callers_share_one_answer_for_as_long_as_it_holds():
    async with TargetServer(silent) as target:
        witness = NetworkWitness([("127.0.0.1", target.port)], ttl_s=60)
        answers = await asyncio.gather(*(witness.has_network() for _ in range(50)))
        later = await witness.has_network()
        await target.idle()

    assert all(answers)
    assert later
    assert target.accepted == 1


@on_both_loops
async def test_an_old_answer_is_asked_for_again():
    async with TargetServer(silent) as target:
        witness = NetworkWitness([("127.0.0.1", target.port)], ttl_s=0)
        assert await witness.has_network()
        await target.idle()
    assert not await witness.has_network()


@on_both_loops
async def test_a_caller_that_gives_up_does_not_take_the_answer_from_the_others():
    with unanswering_port() as port:
        witness = NetworkWitness([("127.0.0.1", port)], timeout_s=0.3)
        impatient, patient = [asyncio.create_task(witness.has_network()) for _ in range(2)]
        await asyncio.wait([patient], timeout=0.05)
        impatient.cancel()

        assert await patient is False
        assert impatient.cancelled()


@on_both_loops
async def test_in_doubt_a_yes_from_before_is_not_taken_for_now():
    async with TargetServer(silent) as target:
        witness = NetworkWitness([("127.0.0.1", target.port)], ttl_s=60)
        assert await witness.has_network()
        await target.idle()
    # when the network is gone
    assert await witness.has_network()
    assert not await witness.has_network(anew=True)
    # then a no is taken from before
    async with TargetServer(silent, port=target.port) as target:
        assert not await witness.has_network(anew=True)
        assert target.accepted == 0


@on_both_loops
async def test_of_the_time_before_the_network_came_back_nothing_is_known():
    with refusing_port() as port:
        witness = NetworkWitness([("127.0.0.1", port)], ttl_s=0)
        assert not await witness.has_network()
    # when it is back
    async with TargetServer(silent, port=port) as target:
        # then what lasted since before is not to be believed, nor what is told of that time later
        assert not await witness.has_network(10)
        assert not await witness.has_network(10)
        assert await witness.has_network()
        await target.idle()


@on_both_loops
async def test_it_finds_out_by_itself_when_the_network_is_back():
    with refusing_port() as port:
        witness = NetworkWitness([("127.0.0.1", port)], ttl_s=0.05)
        assert not await witness.has_network()
    async with TargetServer(silent, port=port) as target:
        # when nobody asks
        while not target.accepted:  # noqa: ASYNC110 - the witness tells nothing but what it is asked
            await asyncio.sleep(0.01)
        await target.idle()
        await asyncio.sleep(0.1)
        accepted = target.accepted
        # then what begins now is known, and it asks no more
        assert await witness.has_network(0.05, anew=True)
        await target.idle()
        await asyncio.sleep(0.2)
        assert target.accepted == accepted + 1
        await witness.close()


@on_both_loops
async def test_a_witness_that_is_closed_asks_no_more():
    with refusing_port() as port:
        witness = NetworkWitness([("127.0.0.1", port)], ttl_s=0)
        assert not await witness.has_network()
        await witness.close()
    async with TargetServer(silent, port=port) as target:
        await asyncio.sleep(0.1)
        assert target.accepted == 0
