"""Tick stores of both kinds, on real servers."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from monitor.storage.postgres.pool import make_pool
from support.tick_store import tick_store


@pytest.fixture(params=["influx", "postgres"])
def with_store(request):
    """Runs an async function with a new, prepared store and returns what it returns."""
    fixture = {"influx": "influx_database", "postgres": "database_url"}[request.param]
    server = request.getfixturevalue(fixture)
    opened = {"influx": _opened_influx, "postgres": _opened_postgres}[request.param]

    async def main(act):
        async with opened(server) as store:
            await store.prepare()
            return await act(store)

    return lambda act: asyncio.run(main(act))


@asynccontextmanager
async def _opened_influx(database):
    store = tick_store(influx=database)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def _opened_postgres(url):
    async with make_pool(url) as pool:
        store = tick_store(pool=pool)
        yield store
        await store.close()
