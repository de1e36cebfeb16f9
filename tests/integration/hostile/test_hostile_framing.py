"""Where an answer ends: small reproductions, by good websites, of what hostile ones do at length."""

from __future__ import annotations

import asyncio

import pytest

from monitor.domain.outcome import Result
from support.hostile_behaviours import CHUNKED, FINE
from support.targets import TargetServer
from support.targets_checks import check
from support.targets_loops import on_both_loops

_EXCESS = pytest.mark.xfail(
    strict=True,
    reason="what came in the same packet after a complete answer decides (RFC 9112, section 6.3)",
)


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


@pytest.mark.parametrize(
    "chunks",
    [
        10,
        pytest.param(
            300,
            marks=pytest.mark.xfail(
                strict=True,
                reason="emptying aiohttp's reader calls data_received again, once a chunk, until "
                "RecursionError ends the connection: a good website is down",
            ),
        ),
    ],
)
@on_both_loops
async def test_a_page_in_small_chunks_whose_end_comes_later_is_up(chunks):
    async with TargetServer(in_parts(CHUNKED + b"1\r\nx\r\n" * chunks, b"0\r\n\r\n")) as target:
        outcome = await check(target.url, request_timeout=5)

    assert outcome.result is Result.UP, outcome.evidence


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((FINE, b"more"), id="later"),
        pytest.param((FINE, FINE.replace(b"200", b"500")), id="another answer later"),
        pytest.param((FINE + b"more",), id="at once", marks=_EXCESS),
        pytest.param((FINE + FINE.replace(b"200", b"500"),), id="another at once", marks=_EXCESS),
    ],
)
@on_both_loops
async def test_what_follows_a_complete_answer_is_nobodys_business(parts):
    async with TargetServer(in_parts(*parts)) as target:
        outcome = await check(target.url, request_timeout=5)

    assert (outcome.result, outcome.status_code) == (Result.UP, 200)
