"""Tick stores of both kinds, on real servers."""

import time
from contextlib import asynccontextmanager

import pytest

from monitor.storage.postgres.pool import make_pool
from support.recorded_influx import TOKEN, Recorded2, Recorded3, running
from support.tick_store import opened, tick_store

_RECORDED = {"influx 2.7.12": Recorded2, "influx 3.9.6": Recorded3}
"""They answer as those do, and keep points in the real one."""


@pytest.fixture(params=["influx", "postgres", *_RECORDED])
def opening(request):
    """A store that is not open yet."""
    if request.param == "influx":
        return _opened_influx(request.getfixturevalue("influx_database"))
    if request.param in _RECORDED:
        url, database = request.getfixturevalue("influx_database")
        server = _RECORDED[request.param](url, prefix=f"{database}_", now_s=time.time())
        return _opened_recorded(server)
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
async def _opened_recorded(server):
    async with running(server), opened(server.url, token=TOKEN) as store:
        yield store


@asynccontextmanager
async def _opened_postgres(url):
    async with make_pool(url) as pool:
        store = tick_store(pool=pool)
        yield store
        await store.close()
