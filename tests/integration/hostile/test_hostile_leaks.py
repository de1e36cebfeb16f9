"""After close() nothing is left of checks of hostile websites: no task, socket or complaint."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import pytest
import uvloop
from msgspec import structs

from monitor.domain.outcome import Reason, Result
from support.hostile_checks import find, find_all, hostile_prober, options_of
from support.hostile_farm import CASES
from support.targets_loops import on_both_loops

UNCONNECTED = (Reason.CONNECT_TIMEOUT, Reason.TLS_TIMEOUT)
FAILED_HANDSHAKES = [
    case
    for case in CASES
    if (case.reason or "").startswith("tls_")
    or (case.scheme == "https" and case.reason is Reason.CONNECTION_RESET)
]


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def _held():
    gc.collect()
    return open_files(), len(asyncio.all_tasks())


async def _warm(farms):
    """What is held once all that is made once in a loop was made, and all else has gone."""
    await find_all([case for case in CASES if not case.waits], farms)
    held = [_held()]
    while len(held) < 5 or len(set(held[-5:])) > 1:
        await asyncio.sleep(0.02)  # an aborted transport closes its socket a few turns later
        held.append(_held())
    return held[-1]


async def _left(before):
    """What is held beyond that, as (files, tasks), as soon as it is nothing, or after 10 s."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + 10
    while any(more := _more(before)) and loop.time() < deadline_s:  # noqa: ASYNC110
        await asyncio.sleep(0.02)  # as above
    return more


def _more(before):
    return tuple(max(now - was, 0) for now, was in zip(_held(), before, strict=True))


@on_both_loops
async def test_finished_checks_leak_nothing(farms):
    before = await _warm(farms)

    await find_all(CASES, farms)

    assert await _left(before) == (0, 0)


async def _cancelled(prober, cases, farms, within_s):
    """How checks ended that were all begun now and cancelled one after the other."""
    tasks = [asyncio.create_task(find(prober, case, farms)) for case in cases]
    for number, task in enumerate(tasks):
        asyncio.get_running_loop().call_later(within_s * number / len(tasks), task.cancel)
    return await asyncio.gather(*tasks, return_exceptions=True)


@on_both_loops
async def test_cancelled_checks_leak_nothing(farms):
    before = await _warm(farms)
    prober = hostile_prober(farms)

    # when each is cancelled at another stage of its way
    cases = [case for case in CASES if case not in FAILED_HANDSHAKES]
    ended = await _cancelled(prober, cases * 2, farms, within_s=0.4)
    await prober.close()

    # then
    assert any(isinstance(end, asyncio.CancelledError) for end in ended)
    assert not [e for e in ended if isinstance(e, Exception)]
    assert await _left(before) == (0, 0)


def _complaints(loop_factory, farms):
    """What a loop says when many checks are cancelled about when their handshakes fail."""
    heard = []

    async def scenario():
        asyncio.get_running_loop().set_exception_handler(lambda _, what: heard.append(what))
        prober = hostile_prober(farms)
        for _ in range(15):
            await _cancelled(prober, FAILED_HANDSHAKES * 6, farms, within_s=0.15)
            gc.collect()  # what nobody retrieved is complained of when it goes
            if heard:
                break
        await prober.close()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(scenario())
    return heard


@pytest.mark.parametrize(
    "loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
def test_cancelling_a_failing_handshake_logs_nothing(farms, loop_factory):
    assert _complaints(loop_factory, farms) == []


async def _closed_after_a_while(cases, farms):
    """By name, the outcomes of checks that were under way when their prober was closed."""
    prober = hostile_prober(farms)
    patient = [structs.replace(options_of(c, farms), request_timeout=60) for c in cases]
    tasks = {
        case.name: asyncio.create_task(prober.check(options))
        for case, options in zip(cases, patient, strict=True)
    }
    await asyncio.wait(tasks.values(), timeout=0.3)
    under_way = {name: task for name, task in tasks.items() if not task.done()}
    await prober.close()
    await asyncio.wait(tasks.values())
    return {name: task.result() for name, task in under_way.items()}


def _misjudged(outcomes):
    return {
        name: outcome
        for name, outcome in outcomes.items()
        if (outcome.result, outcome.reason) != (Result.NOT_MEASURED, Reason.INTERNAL_ERROR)
    }


@on_both_loops
async def test_shutdown_cancels_in_flight_checks_without_reporting_them_down(farms):
    before = await _warm(farms)
    waiting = [c for c in CASES if c.waits]

    outcomes = await _closed_after_a_while(waiting, farms)

    assert len(outcomes) > len(waiting) // 2
    assert _misjudged(outcomes) == {}
    assert await _left(before) == (0, 0)


@on_both_loops
async def test_shutdown_while_connecting_reports_no_website_down(farms):
    waiting = [c for c in CASES if c.reason in UNCONNECTED]

    outcomes = await _closed_after_a_while(waiting, farms)

    assert len(outcomes) == len(waiting) > 2
    assert _misjudged(outcomes) == {}
