"""What a benchmark counts in either tick store, on real servers."""

import sys
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest

sys.path.append(str(Path(__file__).parents[2]))  # the benchmark is no part of the product

from bench import stores
from bench.figures import Window

from monitor.storage.postgres.pool import make_pool
from support.tick_store import tick_store
from support.ticks import HOUR, refused, up

WINDOW = Window(HOUR, HOUR, HOUR + 120, 60)


@asynccontextmanager
async def opened(stack):
    async with make_pool(stack.database_url) as pool:
        in_influx = {"influx": (stack.influx_url, stores.BUCKET)}
        store = tick_store(**(in_influx if stack.influx_url else {"pool": pool}))
        await store.prepare()
        yield store
        await store.close()


@pytest.fixture(params=["influx", "postgres"])
def stack(request, database_url):
    """What of a stack is asked; the database has the name that the bench's has."""
    url = None
    if request.param == "influx":
        url, _ = request.getfixturevalue("influx_database")
    return SimpleNamespace(influx_url=url, database_url=database_url)


async def test_websites_are_counted_by_their_ticks_and_those_that_were_down(stack):
    # given three websites: always up, once down, and down but only before the window
    steady, shaky, earlier = uuid4(), uuid4(), uuid4()
    ticks = [
        up(HOUR, website=steady),
        up(HOUR + 60, website=steady),
        up(HOUR, website=shaky),
        refused(HOUR + 60, website=shaky),
        refused(HOUR - 60, website=earlier),
        up(HOUR + 60, website=earlier),
    ]
    # when
    async with opened(stack) as store:
        await store.write(ticks)
    # then
    assert stores.series_with(stack, WINDOW) == {2: 2, 1: 1}
    assert stores.series_with(stack, WINDOW, down=True) == {1: 1}
