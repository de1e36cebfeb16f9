"""What a region worker counts while it checks, and what it tells Redis of itself."""

from monitor.domain.capacity import WorkerLimits
from monitor.domain.errors import Unavailable
from monitor.domain.outcome import Reason, Result
from monitor.metrics.worker_stats import Meter
from monitor.services.checks.check import check_websites
from monitor.services.workers.heartbeat import Heartbeat
from monitor.storage.redis.regions import Regions
from monitor.storage.redis.workers import FRESH_S, Workers
from support.factories import START_S, outcome_down, outcome_up, recheck_message

DOWN = outcome_down()


async def _check(world, worker, websites, slot_s):
    message = recheck_message(websites, slot_ms=slot_s * 1000)
    return await check_websites(worker, message)


async def test_checks_flips_ticks_and_lag_are_counted(world):
    await world.add_region("europe")
    urls = ("http://up/", "http://down/")
    websites = [await world.add_website(url) for url in urls]
    await world.sync()
    world.prober.outcomes["http://down/"] = DOWN
    worker = world.worker()
    meter = worker.meter
    # when the second failure of one makes a flip, 7 s after its slot
    await _check(world, worker, websites, START_S)
    world.now_s += 22
    await _check(world, worker, websites, START_S + 15)
    # then
    assert meter.outcomes == {
        (Result.UP, None): 2,
        (Result.DOWN, Reason.CONNECTION_REFUSED): 2,
    }
    assert meter.flips == 1
    assert meter.lag_s.total == 7.0
    assert (meter.ticks_written, meter.ticks_kept) == (4, 0)
    assert sum(meter.tick_write_s.counts) == 2
    # and for the whole region in Redis
    assert await Regions(world.redis).counters() == {
        "checked_up:europe": 2,
        "checked_down:europe": 2,
    }


async def test_refused_ticks_are_counted_as_kept(world):
    await world.add_region("europe")
    website = await world.add_website("http://up/")
    await world.sync()

    async def refuse(_ticks):
        raise Unavailable("influxdb", "refuses")

    world.ticks.write = refuse
    worker = world.worker()
    await _check(world, worker, [website], START_S)
    assert (worker.meter.ticks_written, worker.meter.ticks_kept) == (0, 1)
    assert sum(worker.meter.tick_write_s.counts) == 0


def _heartbeat(world, meter):
    return Heartbeat(
        Workers(world.redis),
        "europe",
        limits=WorkerLimits(4, 2000),
        meter=meter,
        message_s=lambda: 0.0,
        now=world.now,
    )


async def test_a_process_is_listed_until_it_closes(world):
    workers, heartbeat = Workers(world.redis), _heartbeat(world, Meter())
    await heartbeat.beat()
    (seen,) = await workers.fresh(world.now_s + FRESH_S)
    assert (seen.region, seen.limits) == ("europe", WorkerLimits(4, 2000))
    assert await workers.fresh(world.now_s + FRESH_S + 1) == []
    # when
    await heartbeat.close()
    assert await workers.fresh(world.now_s) == []


async def test_the_last_capacity_survives_idle_times(world):
    meter = Meter()
    heartbeat = _heartbeat(world, meter)
    meter.settled([outcome_up()] * 1000, 0, 0.0)
    await heartbeat.beat()
    (busy,) = await Workers(world.redis).fresh(world.now_s)
    assert busy.load.capacity_per_s > 0
    # when all of it is longer ago than a load is measured from
    for _ in range(8):
        await heartbeat.beat()
    (quiet,) = await Workers(world.redis).fresh(world.now_s)
    assert quiet.load.checks_per_s == 0
    assert quiet.load.capacity_per_s > 0


async def test_reports_of_killed_processes_are_deleted(world):
    workers = Workers(world.redis)
    await _heartbeat(world, Meter()).beat()
    world.now_s += 500
    await _heartbeat(world, Meter()).beat()
    # when
    await workers.forget_old(world.now_s + 101)
    # then
    assert await world.redis.hlen("monitor:workers") == 1
    assert len(await workers.fresh(world.now_s)) == 1
