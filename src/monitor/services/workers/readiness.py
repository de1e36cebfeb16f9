"""Whether the API's dependencies answer, and may be used as we need them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from msgspec import Struct
from redis.asyncio import Redis

from monitor.channels import email
from monitor.domain.errors import Unavailable
from monitor.runtime.logging import get_logger
from monitor.services.notifications.health import failing_channels
from monitor.services.workers.tick_store import TickStoreWatch
from monitor.storage.postgres.pool import Pool, transaction
from monitor.storage.redis.client import translated
from monitor.storage.timeseries.contract import TickStore

log = get_logger(__name__)

TIMEOUT_S = 2.0
"""A dependency that takes longer counts as unavailable."""


class Answers(Struct, frozen=True):
    """``problems``: {dependency: what is wrong with it}, None where it answers. ``remarks``: what
    the tick store lacks that costs no tick."""

    problems: dict[str, Unavailable | None]
    remarks: Sequence[str]


async def check(pool: Pool, redis: Redis, ticks: TickStore, watch: TickStoreWatch) -> Answers:
    """Ask all dependencies at once."""
    remarks: list[str] = []

    async def tick_store() -> None:
        await ticks.ping()
        remarks.extend(await watch.remarks())

    probes = {"postgres": _postgres(pool), "redis": _redis(redis), "ticks": tick_store()}
    answers = await asyncio.gather(*(_problem(name, call) for name, call in probes.items()))
    return Answers(dict(zip(probes, answers, strict=True)), remarks)


async def mail_fails(pool: Pool) -> bool:
    """Whether e-mails do not leave. False where Postgres, which knows, does not answer."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return any(one.channel == email.KIND for one in await failing_channels(pool))
    except (Unavailable, TimeoutError):
        return False


async def _problem(name: str, call: Awaitable[object]) -> Unavailable | None:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await call
    except Unavailable as error:
        problem = error
    except TimeoutError:
        problem = Unavailable(name, f"no answer within {TIMEOUT_S:g} s")
    else:
        return None
    log.warning("readiness.failed", dependency=name, error=str(problem))
    return problem


async def _postgres(pool: Pool) -> None:
    async with transaction(pool) as connection:
        await connection.execute("SELECT 1")


async def _redis(redis: Redis) -> None:
    with translated():
        await redis.ping()
