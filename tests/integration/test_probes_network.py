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
