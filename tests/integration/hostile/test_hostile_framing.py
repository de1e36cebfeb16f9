"""Where an answer ends, shown by websites that are good enough."""

from __future__ import annotations

import asyncio

import pytest

from monitor.domain.outcome import Reason, Result
from monitor.probes.http.exchange import Exchange
from monitor.probes.net.phases import Progress
from support.hostile_behaviours import CHUNKED, FINE
from support.targets import TargetServer
from support.targets_checks import check
from support.targets_loops import on_both_loops


def in_parts(*parts):
    """Each part in a packet of its own, and the connection stays."""

    async def behave(exchange):
        await exchange.request()
        gone = asyncio.create_task(exchange.gone())
        for part in parts:
            await exchange.send(part)
            await asyncio.wait([gone], timeout=0.1)
        await gone

    return behave


@pytest.mark.parametrize("chunks", [10, 300, 20_000])
@on_both_loops
async def test_a_page_in_small_chunks_whose_end_comes_later_is_up(chunks):
    async with TargetServer(in_parts(CHUNKED + b"1\r\nx\r\n" * chunks, b"0\r\n\r\n")) as target:
        outcome = await check(target.url, request_timeout=5)

    assert outcome.result is Result.UP, outcome.evidence


@on_both_loops
async def test_no_more_of_a_page_in_small_chunks_is_read_than_costs_a_few_ms():
    malformed = CHUNKED + b"1\r\nx\r\n" * 3000 + b"zz\r\n"

    async with TargetServer(in_parts(malformed)) as target:
        outcome = await check(target.url, request_timeout=5)

    # what comes after that many chunks is nobody's business
    assert outcome.result is Result.UP, outcome.evidence


@on_both_loops
async def test_no_more_is_read_before_an_answer_than_costs_a_few_ms():
    async with TargetServer(in_parts(b"\n" * (300 * 1024) + FINE)) as target:
        outcome = await check(target.url, request_timeout=5)

    assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.INVALID_RESPONSE)


@on_both_loops
async def test_a_large_page_is_taken_however_much_of_it_comes_at_once():
    loop = asyncio.get_running_loop()
    exchange = Exchange(loop, Progress(loop.time() + 5), b"")
    large = FINE.replace(b"4", b"1000000").replace(b"fine", b"x" * 1_000_000)

    exchange.data_received(large)

    assert (await exchange.response()).status == 200


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((FINE, b"more"), id="later"),
        pytest.param((FINE, FINE.replace(b"200", b"500")), id="another answer later"),
        pytest.param((FINE + b"more",), id="at once"),
        pytest.param((FINE + FINE.replace(b"200", b"500"),), id="another at once"),
    ],
)
@on_both_loops
async def test_bytes_after_a_complete_response_are_ignored(parts):
    async with TargetServer(in_parts(*parts)) as target:
        outcome = await check(target.url, request_timeout=5)

    assert (outcome.result, outcome.status_code) == (Result.UP, 200)
