"""A process that stood still, or the machine under it, does not blame the websites."""

from __future__ import annotations

import asyncio
import time

import pytest

from monitor.domain.outcome import Reason, Result
from monitor.probes.http.exchange import Exchange as OneExchange
from monitor.probes.net.phases import Progress
from support.factories import check_options
from support.targets import Exchange, TargetServer, answers, hangs_up, silent
from support.targets_checks import check, prober
from support.targets_loops import on_both_loops

_BUSY = (Result.NOT_MEASURED, Reason.REGION_BUSY)


class _Jumping(asyncio.SelectorEventLoop):
    """Whose clock goes on as if the process had stood still."""

    ahead_s = 0.0

    def time(self) -> float:
        return super().time() + self.ahead_s


def _stand_still(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, _Jumping)
    loop.ahead_s += seconds


LOOP_FACTORIES = {"jumping": _Jumping}


def on_a_jumping_loop(test):
    """Its clock jumps by an hour at most."""
    return pytest.mark.asyncio(loop_factories=["jumping"])(pytest.mark.limit_s(7200)(test))


async def _checked(behaviour, **options):
    """One check with a second's time of a website that does this."""
    async with TargetServer(behaviour) as target:
        return await check(target.url, request_timeout=1, **options)


def _still(seconds, then):
    """The process stands still once the request is there; then the website does this."""

    async def behave(exchange: Exchange) -> None:
        await exchange.request()
        _stand_still(seconds)
        await then(exchange)

    return behave


@on_both_loops
async def test_data_that_arrived_during_a_stall_is_read():
    async def answer_beside_a_stand_still(exchange: Exchange) -> None:
        await answers()(exchange)
        time.sleep(1.7)  # noqa: ASYNC251  # stops the loop, as a stopped process would

    async with TargetServer(answer_beside_a_stand_still) as target:
        outcome = await check(target.url, request_timeout=1)

    assert (outcome.result, outcome.reason) == (Result.UP, None)


@on_a_jumping_loop
async def test_a_stall_extends_the_deadline():
    async def answer_later(exchange: Exchange) -> None:
        await asyncio.sleep(0.3)
        await answers()(exchange)

    assert (await _checked(_still(2, answer_later))).result is Result.UP


@on_a_jumping_loop
async def test_a_website_that_stays_silent_after_the_extension_is_down():
    outcome = await _checked(_still(2, silent))

    assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.RESPONSE_TIMEOUT)


@on_a_jumping_loop
async def test_after_a_second_stall_nothing_was_measured():
    async def again(exchange: Exchange) -> None:
        await asyncio.sleep(0.3)  # the lost time has been given back
        _stand_still(2)
        await silent(exchange)

    assert _in(await _checked(_still(2, again))) == _BUSY


@on_a_jumping_loop
async def test_a_stall_longer_than_the_extension_is_not_measured():
    assert _in(await _checked(_still(3600, silent))) == _BUSY


@on_a_jumping_loop
async def test_a_connection_that_ended_during_a_stall_is_not_measured():
    assert _in(await _checked(_still(3600, hangs_up))) == _BUSY


@on_a_jumping_loop
async def test_a_response_counts_however_late():
    outcome = await _checked(_still(3600, answers(503)))

    assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.HTTP_STATUS)


@on_a_jumping_loop
async def test_an_extension_does_not_delay_other_checks():
    stood_still = asyncio.Event()

    async def then(exchange: Exchange) -> None:
        stood_still.set()
        await silent(exchange)

    async with TargetServer(_still(2, then)) as slow, TargetServer() as quick, prober() as made:
        behind = asyncio.create_task(made.check(check_options(slow.url, request_timeout=1)))
        await stood_still.wait()
        before = await made.check(check_options(quick.url, request_timeout=1))
        assert not behind.done()
        after = await behind

    assert before.result is Result.UP
    assert after.reason is Reason.RESPONSE_TIMEOUT


@on_a_jumping_loop
async def test_an_endless_response_is_read_for_ten_seconds_at_most():
    loop = asyncio.get_running_loop()
    exchange = OneExchange(loop, Progress(loop.time() + 60, 60), b"")
    response = asyncio.create_task(exchange.response())

    exchange.data_received(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
    _stand_still(9)
    await asyncio.wait([response], timeout=0.1)
    assert not response.done()
    _stand_still(1)
    await asyncio.wait([response], timeout=5)

    assert response.result().status == 200
    exchange.close()


def _in(outcome):
    return outcome.result, outcome.reason
