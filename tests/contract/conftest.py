"""Tick stores of both kinds, on real servers."""

from contextlib import asynccontextmanager

import pytest

from monitor.storage.postgres.pool import make_pool
from support.tick_store import tick_store


@pytest.fixture(params=["influx", "postgres"])
def opening(request):
    """A store that is not open yet."""
    if request.param == "influx":
        return _opened_influx(request.getfixturevalue("influx_database"))
    return _opened_postgres(request.getfixturevalue("database_url"))


@pytest.fixture
async def store(opening):
    """A new, prepared store."""
    async with opening as opened:
        await opened.prepare()
        yield opened


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
