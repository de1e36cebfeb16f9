"""/metrics of the API: true numbers from real Redis and Postgres, in Prometheus's own format."""

import asyncio
import time

import pytest

from monitor.api.metrics.installation import RINGS_NAMED
from monitor.domain import messages
from monitor.domain.capacity import Load, WorkerLimits
from monitor.domain.ring import Ring
from monitor.queue.broker import Broker
from monitor.services.workers.installation import CACHE_S
from monitor.storage.redis import keys
from monitor.storage.redis.regions import RegionReport, Regions
from monitor.storage.redis.workers import FRESH_S, WorkerReport, Workers
from support.factories import batch_message, recheck_message
from support.metrics import samples, value


def _batch(region, slot_s):
    return messages.check_batch(
        batch_message(region=region, interval_s=60, hi=1, slot_ms=int(slot_s * 1000))
    )


async def test_queue_metrics_show_depth_and_lag(api, redis_url):
    await api.add_regions("europe", "quiet")
    sender = Broker(redis_url)
    now_s = time.time()
    # given one due for 40 s, one of now, one still to come
    for slot_s in (now_s - 40, now_s, now_s + 3600):
        await asyncio.to_thread(sender.send, [_batch("europe", slot_s)])
    api.now_s = now_s
    # then
    found = await samples(api)
    queue = {"region": "europe", "queue": "checks.europe"}
    messages_by_state = {"waiting": 2, "delayed": 1, "taken": 0, "dead": 0}
    for state, count in messages_by_state.items():
        assert value(found, "monitor_queue_messages", **queue, state=state) == count
    lag_s = value(found, "monitor_queue_due_lag_seconds", **queue)
    assert lag_s == pytest.approx(40 + CACHE_S, abs=0.1)
    quiet = {"region": "quiet", "queue": "checks.quiet"}
    assert value(found, "monitor_queue_due_lag_seconds", **quiet) == 0
    # and of a central queue
    central = {"region": "", "queue": "incidents"}
    assert value(found, "monitor_queue_messages", **central, state="waiting") == 0
    # when one is taken, and one taken and given up
    first, second = await asyncio.to_thread(sender.do_fetch, "checks.europe", 2)
    assert first != second
    found = await samples(api)
    assert value(found, "monitor_queue_messages", **queue, state="waiting") == 0
    assert value(found, "monitor_queue_messages", **queue, state="taken") == 2
    # then what is taken is nobody's lag here
    assert value(found, "monitor_queue_due_lag_seconds", **queue) == 0
    sender.client.close()


async def test_a_delayed_message_that_nobody_fetches_is_due_when_its_time_has_come(api, redis_url):
    # given a region without workers
    await api.add_regions("europe")
    sender = Broker(redis_url)
    soon = time.time() + 30
    await asyncio.to_thread(sender.send, [_batch("europe", soon), _batch("europe", soon + 60)])
    queue = {"region": "europe", "queue": "checks.europe"}
    # when
    api.now_s = soon + 100 - CACHE_S
    found = await samples(api)
    # then
    assert value(found, "monitor_queue_messages", **queue, state="delayed") == 2
    lag_s = value(found, "monitor_queue_due_lag_seconds", **queue)
    assert lag_s == pytest.approx(100, abs=0.1)
    sender.client.close()


async def test_the_lag_of_a_long_queue_with_returned_messages_at_its_end(api, redis_url):
    await api.add_regions("europe")
    sender = Broker(redis_url)
    now_s = time.time()
    newer = [_batch("europe", now_s - 5 + n / 100) for n in range(200)]
    # given what a dead worker had, put back at the end
    await asyncio.to_thread(sender.send, [*newer, _batch("europe", now_s - 90)])
    # and what is no message at all, at the other
    await api.redis.lpush("dramatiq:checks.europe", "junk", "gone")
    await api.redis.hset("dramatiq:checks.europe.msgs", "junk", b"\xff{")
    api.now_s = now_s
    found = await samples(api)
    queue = {"region": "europe", "queue": "checks.europe"}
    lag_s = value(found, "monitor_queue_due_lag_seconds", **queue)
    assert lag_s == pytest.approx(90 + CACHE_S, abs=0.1)
    assert value(found, "monitor_queue_messages", **queue, state="waiting") == 203
    sender.client.close()


async def test_demand_is_what_the_rings_ask_for(api):
    await api.add_regions("europe")
    for interval_s, websites in ((60, 30), (300, 60)):
        members = {f"{interval_s}-{n}": n for n in range(websites)}
        await api.redis.zadd(keys.ring(Ring("europe", interval_s)), members)
        await api.redis.sadd(keys.RINGS, f"europe:{interval_s}")
    # a region that is gone leaves its rings until the next full sync
    await api.redis.sadd(keys.RINGS, "gone:60")
    found = await samples(api)
    assert value(found, "monitor_region_demand_checks_per_second", region="europe") == 0.7
    ring = {"region": "europe", "interval_seconds": "300"}
    assert value(found, "monitor_ring_websites", **ring) == 60
    assert len(found["monitor_region_demand_checks_per_second"]) == 1


async def test_a_thousand_intervals_are_a_few_series(api):
    await api.add_regions("europe")
    for interval_s in range(30, 130):
        await api.redis.zadd(keys.ring(Ring("europe", interval_s)), {b"a": 1})
        await api.redis.sadd(keys.RINGS, f"europe:{interval_s}")
    found = await samples(api)
    assert len(found["monitor_ring_websites"]) == RINGS_NAMED + 1
    other = {"region": "europe", "interval_seconds": "other"}
    assert value(found, "monitor_ring_websites", **other) == 100 - RINGS_NAMED


async def test_capacity_is_that_of_the_workers_seen_lately(api):
    await api.add_regions("europe", "empty")
    workers, limits = Workers(api.redis), WorkerLimits(4, 2000)
    now_s = int(api.now_s + CACHE_S)
    loads = {
        "a": (now_s, Load(500.0, 0.5, 1000.0)),
        "new": (now_s, Load(1.0, 0.1, None)),
        "killed": (now_s - FRESH_S - 1, Load(900.0, 0.9, 1000.0)),
    }
    for process, (seen_at_s, load) in loads.items():
        await workers.report(process, WorkerReport("europe", seen_at_s, limits, load))
    found = await samples(api)
    # then a process that has not measured itself counts as the others, a dead one not at all
    expected = {
        "workers": 2,
        "worker_slots": 4000,
        "throughput_checks_per_second": 501.0,
        "capacity_checks_per_second": 2000.0,
        "utilisation_ratio": 0.3,
    }
    for name, wanted in expected.items():
        assert value(found, f"monitor_region_{name}", region="europe") == pytest.approx(wanted)
    # and what is not known is not there, rather than 0
    assert value(found, "monitor_region_workers", region="empty") == 0
    assert (
        frozenset({("region", "empty")}) not in found["monitor_region_capacity_checks_per_second"]
    )


async def test_region_counters_are_exported(api):
    await api.add_regions("europe", "europe-2")
    regions = Regions(api.redis)
    counts = {"checked_up": 7, "checked_down": 2, "not_measured": 1, "dropped_batches": 4}
    await regions.report("europe", RegionReport(1234, "lost"), counts | {"dropped_ticks": 3})
    await regions.report("europe-2", RegionReport(1), {"checked_up": 50})
    await api.redis.rpush(keys.TICK_BUFFER, b"12345", b"678")
    await api.redis.set(keys.TICK_BUFFER_BYTES, 8)
    found = await samples(api)
    results = {"up": 7, "down": 2, "not_measured": 1}
    for result, count in results.items():
        of = {"region": "europe", "result": result}
        assert value(found, "monitor_region_checks_total", **of) == count
    assert value(found, "monitor_region_dropped_batches_total", region="europe") == 4
    assert value(found, "monitor_region_dropped_batches_total", region="europe-2") == 0
    assert value(found, "monitor_region_dropped_tick_chunks_total", region="europe") == 3
    assert value(found, "monitor_region_network_up", region="europe") == 0
    assert value(found, "monitor_region_last_seen_timestamp_seconds", region="europe") == 1234
    assert value(found, "monitor_kept_ticks_bytes") == 8
    assert value(found, "monitor_kept_ticks_chunks") == 2


async def test_lag_of_an_immediate_check_counts_from_its_slot(api, redis_url):
    await api.add_regions("europe")
    sender, now_s = Broker(redis_url), time.time()
    check = recheck_message([], slot_ms=int((now_s - 20) * 1000))
    await asyncio.to_thread(sender.send, [messages.check_websites(check)])
    api.now_s = now_s
    found = await samples(api)
    queue = {"region": "europe", "queue": "checks.europe"}
    lag_s = value(found, "monitor_queue_due_lag_seconds", **queue)
    assert lag_s == pytest.approx(20 + CACHE_S, abs=0.1)
    sender.client.close()
