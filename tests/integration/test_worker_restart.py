"""A region worker that is told to end in the middle of a slot leaves no website of it unmeasured.

Each website hangs until the worker is gone, so that the signal comes when the test says.
"""

import asyncio
import os
import signal
import time
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from monitor.domain import messages
from monitor.queue.broker import Broker
from monitor.storage.redis.regions import Regions
from support.dns import SILENT, DnsServer
from support.factories import batch_message
from support.products import running, worker
from support.targets import TargetServer, answers

WEBSITES = 6
FREQUENCY_S = 180


class Farm:
    """Websites by name: half of them slow, and a DNS server that knows them all.

    ``hold_quick``, ``hold_names``: who hangs besides the slow ones until ``release``.
    """

    def __init__(self):
        self.hold_quick = self.hold_names = False
        self.target = TargetServer(self._behave)
        self.names = [f"site-{n}.example.com" for n in range(WEBSITES)]
        self.dns = DnsServer({}, otherwise=SILENT)
        self._released = asyncio.Event()

    @asynccontextmanager
    async def open(self):
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.dns)
            await stack.enter_async_context(self.target)
            if not self.hold_names:
                self._know_names()
            yield self

    def url(self, number):
        kind = "slow" if number % 2 else "quick"
        return self.target.url_of(f"/{kind}", self.names[number])

    def release(self):
        self._know_names()
        self._released.set()

    def _know_names(self):
        self.dns.table = {name: ["127.0.0.1"] for name in self.names}

    async def _behave(self, exchange):
        received = await exchange.request()
        if self.hold_quick or received.target == "/slow":
            await self._released.wait()
        await answers()(exchange)


async def _until(condition):
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 - other processes do it
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("moment", ["names are looked up", "all are asked", "slow ones are left"])
async def test_every_website_of_a_slot_is_measured_once(
    tmp_path, world, database_url, redis_url, moment
):
    # given
    farm = Farm()
    farm.hold_names = moment == "names are looked up"
    farm.hold_quick = moment == "all are asked"
    world.now_s = time.time()
    settings = {
        "REDIS_URL": redis_url, "DATABASE_URL": database_url, "MONITOR_REGION": "europe",
        "MONITOR_ALLOW_NETWORKS": "127.0.0.0/8",
    }  # fmt: skip
    async with farm.open():
        settings["MONITOR_DNS_SERVERS"] = farm.dns.address
        await world.add_region("europe")
        websites = [
            await world.add_website(farm.url(n), every=FREQUENCY_S) for n in range(WEBSITES)
        ]
        await world.sync()
        slot_s = int(time.time())
        # given a batch of them at that moment
        sender = Broker(redis_url)
        batch = batch_message(interval_s=FREQUENCY_S, slot_ms=slot_s * 1000)
        sender.send([messages.check_batch(batch)])

        async def ticks():
            rows = [await world.ticks.ticks(w, slot_s - 5, slot_s + 60) for w in websites]
            return [[(t.slot_s, t.up, t.out_of_turn) for t in each] for each in rows]

        async def arrived():
            if moment == "names are looked up":
                return {name for name, _ in farm.dns.queries} == set(farm.names)
            if moment == "all are asked":
                return len(farm.target.requests) == WEBSITES
            return sum(map(len, await ticks())) == WEBSITES // 2

        with running(worker(), tmp_path / "first", **settings) as child:
            await _until(arrived)
            # when
            os.killpg(child.pid, signal.SIGTERM)
            await asyncio.to_thread(child.wait, 15)
        farm.release()

        async def measured():
            return all(await ticks())

        with running(worker(), tmp_path / "second", **settings):
            await _until(measured)
    # then
    assert await ticks() == [[(slot_s, True, False)]] * WEBSITES
    assert (await Regions(world.redis).counters()).get("not_measured:europe", 0) == 0
    sender.client.close()
    sender.close()
