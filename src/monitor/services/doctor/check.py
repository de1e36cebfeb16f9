"""What a check of `monitor doctor` is, and what it may look at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec import Struct
from redis.asyncio import Redis

from monitor.domain.errors import Unavailable
from monitor.runtime.settings import Settings
from monitor.runtime.settings_survey import Survey
from monitor.services.doctor.finding import Finding, Report
from monitor.storage.postgres.pool import Pool, make_pool
from monitor.storage.redis.client import make_client

_CONNECTIONS = 3


class Context(Struct, frozen=True):
    """What checks look at. ``postgres`` and ``redis`` raise Unavailable where they are not set."""

    survey: Survey
    pool: Pool | None
    client: Redis | None

    @property
    def settings(self) -> Settings:
        return self.survey.settings

    @property
    def postgres(self) -> Pool:
        if self.pool is None:
            raise Unavailable("postgres", "DATABASE_URL is not set")
        return self.pool

    @property
    def redis(self) -> Redis:
        if self.client is None:
            raise Unavailable("redis", "REDIS_URL is not set")
        return self.client


@asynccontextmanager
async def opened(survey: Survey) -> AsyncIterator[Context]:
    """Open what checks share, without waiting for any server."""
    settings = survey.settings
    async with AsyncExitStack() as stack:
        pool = client = None
        if settings.database_url:
            pool = make_pool(settings.database_url, max_size=_CONNECTIONS)
            await pool.open(wait=False)
            stack.push_async_callback(pool.close, timeout=0.5)
        if settings.redis_url:
            client = make_client(settings.redis_url)
            stack.push_async_callback(client.aclose)
        yield Context(survey, pool, client)


class Check(Struct, frozen=True):
    """One subject. ``look`` may raise MonitorError: then it could not be looked at.

    ``if_silent``: what to do where it does not end within ``limit_s``, if silence itself is wrong.
    """

    report: Report
    look: Callable[[Context], Awaitable[Finding]]
    limit_s: float = 5.0
    if_silent: str = ""


def reason(error: Unavailable) -> str:
    """Its message without the name of the store in front."""
    return str(error).removeprefix(f"{error.dependency}: ")
