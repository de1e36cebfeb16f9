"""A tick store that fails is not waited for, and is found again."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from monitor.domain.errors import Unavailable
from monitor.storage.timeseries.circuit_breaker import CircuitBreaker

pytestmark = pytest.mark.limit_s(10)


class Store:
    """Fails while ``error`` is set; answers when ``open`` is."""

    def __init__(self):
        self.asked = []
        self.error = None
        self.open = asyncio.Event()
        self.open.set()
        self.answered = asyncio.Semaphore(0)

    async def write(self, ticks):
        self.asked.append(list(ticks))
        await self.open.wait()
        self.answered.release()
        if self.error is not None:
            raise self.error


@asynccontextmanager
async def _failing(retry_every_s):
    """A store that has just failed, and its guard."""
    store = Store()
    breaker = CircuitBreaker(store.write, retry_every_s)
    store.error = Unavailable("influxdb", "503")
    with pytest.raises(Unavailable, match="503"):
        await breaker.write([1])
    await store.answered.acquire()
    try:
        yield store, breaker
    finally:
        await breaker.close()


async def test_after_a_failure_writes_are_refused_at_once():
    async with _failing(retry_every_s=3600) as (store, breaker):
        store.open.clear()  # whoever asked now would wait for ever
        for n in range(100):
            with pytest.raises(Unavailable, match="influxdb: failed recently"):
                await breaker.write([n])
        assert store.asked == [[1]]


async def test_one_trial_runs_at_a_time_in_the_background():
    async with _failing(retry_every_s=0) as (store, breaker):
        store.open.clear()
        for n in (2, 3, 4):
            with pytest.raises(Unavailable):
                await breaker.write([n])
            await asyncio.sleep(0)
        assert store.asked == [[1], [2]]
        # when it fails again
        store.open.set()
        await store.answered.acquire()
        # then the next one is tried with
        with pytest.raises(Unavailable):
            await breaker.write([5])
        await store.answered.acquire()
        assert store.asked == [[1], [2], [5]]


async def test_a_recovered_store_is_written_to_again():
    async with _failing(retry_every_s=0) as (store, breaker):
        # when
        store.error = None
        with pytest.raises(Unavailable):
            await breaker.write([2])
        await store.answered.acquire()
        # then
        await breaker.write([3])
        assert store.asked == [[1], [2], [3]]


async def test_other_errors_do_not_open_the_circuit():
    store = Store()
    breaker = CircuitBreaker(store.write)
    store.error = ValueError("a bug")
    for _ in range(2):
        with pytest.raises(ValueError, match="a bug"):
            await breaker.write([1])
    assert len(store.asked) == 2


async def test_closing_cancels_the_trial():
    async with _failing(retry_every_s=0) as (store, breaker):
        store.open.clear()
        with pytest.raises(Unavailable):
            await breaker.write([2])
        await asyncio.sleep(0)
        await breaker.close()
        store.open.set()
        await asyncio.sleep(0)
        assert not store.answered.locked() or store.asked == [[1], [2]]
