"""InfluxDB 2.7.12 and 3 Core 3.9.6, as they answered: see support/recorded_influx.py.

The contract tests of tick stores run against both as well.
"""

from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from monitor.domain.errors import Unavailable
from monitor.metrics.worker_stats import Meter
from monitor.storage.timeseries.influxdb import InfluxTicks
from monitor.storage.timeseries.influxdb_http import InfluxHttp
from support.factories import SHOP
from support.recorded_influx import DAY_S, TOKEN, Recorded2, Recorded3, running
from support.ticks import HOUR, hourly_buckets, refused, up

RAW, HOURLY = "website_ticks", "website_ticks_hourly"
NOW_S = HOUR + 3600


@asynccontextmanager
async def store_on(server, *, meter=None, token=TOKEN, compress=False):
    async with running(server):
        http = InfluxHttp(server.url, token, "monitor", compress=compress)
        counted = None if meter is None else meter.dropped_points
        store = InfluxTicks(http, RAW, raw_days=30, rollup_days=400, dropped=counted)
        try:
            yield store
        finally:
            await store.close()


@pytest.fixture
def real(influx_database):
    """What a recorded server keeps points in."""
    url, database = influx_database
    return {"target": url, "prefix": f"{database}_", "now_s": NOW_S}


# Writes


async def test_3_core_loses_the_lines_in_conflict_alone(real):
    # given: somebody made `reason` a number
    server, meter = Recorded3(**real), Meter()
    ticks = [up(HOUR + n) for n in range(4998)] + [refused(HOUR + 5000), refused(HOUR + 5001)]
    async with store_on(server, meter=meter) as store:
        await store.prepare()
        server.types[RAW, RAW, "reason"] = "integer"
        # when
        with capture_logs() as logs:
            await store.write(ticks)
        stored = await store.ticks(SHOP, HOUR, HOUR + 6000)
    # then
    assert len(stored) == 4998
    assert len(server.asked("/api/v3/write_lp")) == 1
    [log] = logs
    assert (log["event"], log["lines"], log["dropped"]) == ("ticks.dropped", 5000, 2)
    assert log["reason"] == "field_conflict"
    assert "column 'reason'" in log["error"]
    assert "website_ticks,region=" in log["error"]
    assert meter.points_dropped == {"field_conflict": 2}


async def test_2_7_names_the_number_of_dropped_points_at_the_end_of_a_long_message(real):
    # given
    server, meter = Recorded2(**real), Meter()
    async with store_on(server, meter=meter) as store:
        await store.prepare()
        # when
        with capture_logs() as logs:
            await store.write([up(HOUR - 40 * DAY_S), up(HOUR - 41 * DAY_S), up(HOUR)])
        stored = await store.ticks(SHOP, 0, HOUR + 1)
    # then
    assert [t.slot_s for t in stored] == [HOUR]
    assert [(log["event"], log["dropped"], log["reason"]) for log in logs] == [
        ("ticks.dropped", 2, "beyond_retention")
    ]
    assert meter.points_dropped == {"beyond_retention": 2}


@pytest.mark.parametrize("compress", [True, False])
async def test_a_body_that_3_core_finds_too_large_is_halved(real, compress):
    # given
    server, meter = Recorded3(**real), Meter()
    server.max_body = 20_000
    ticks = [up(HOUR + n) for n in range(1000)]
    async with store_on(server, meter=meter, compress=compress) as store:
        await store.write(ticks)
        stored = await store.ticks(SHOP, HOUR, HOUR + 1000)
    # then
    assert [t.slot_s for t in stored] == [t.slot_s for t in ticks]
    assert not meter.points_dropped


async def test_a_line_alone_that_is_too_large_is_counted_as_dropped():
    server, meter = Recorded3(), Meter()
    server.max_body = 100
    async with store_on(server, meter=meter) as store:
        await store.write([up(HOUR), up(HOUR + 60)])
    assert meter.points_dropped == {"too_large": 2}


# Questions


async def test_hourly_points_of_400_days_are_asked_of_3_core_in_pieces():
    # given: roll-ups of every hour, each in ten minutes of its own
    server = Recorded3(now_s=NOW_S)
    async with store_on(server) as store:
        await store.prepare()
        server.blocks[HOURLY] = {(NOW_S - h * 3600) // 600 for h in range(400 * 24)}
        # when
        await store.hourly([SHOP], None, NOW_S - 400 * DAY_S, NOW_S)
        questions = [r for r in server.asked("/query") if "website_ticks_hourly" in r.query["q"]]
        # then: no question was refused and asked again
        assert 400 / 9 <= len(questions) <= 400 / 9 + 2


async def test_a_series_asked_in_pieces_is_that_of_one_question(real):
    # given: three days of ticks that are far apart, in buckets that pieces must not cut
    ticks = [up(HOUR - n * 1190, float(n + 1)) for n in range(217)]
    span = (HOUR - 3 * DAY_S, HOUR + 1)
    results = []
    for server in (Recorded2(**real), Recorded3(**real | {"prefix": f"{real['prefix']}3_"})):
        async with store_on(server) as store:
            await store.prepare()
            await store.write(ticks)
            results.append(await store.raw_buckets(SHOP, None, *span, 540 * 7))
            results.append(await store.ticks(SHOP, *span))
            asked = [r for r in server.asked("/query") if "COUNT" in r.query["q"]]
            assert len(asked) == (1 if isinstance(server, Recorded2) else 3)
    # then
    of_two, ticks_of_two, of_three, ticks_of_three = results
    assert of_three == of_two
    assert sum(b.checks for b in of_three) == len(ticks_of_three) == 217
    assert ticks_of_three == ticks_of_two


async def test_a_piece_that_has_more_files_than_were_thought_is_halved(real):
    # given: a server that answers from few, with hours that lie in one file each
    server = Recorded3(**real)
    server.file_limit = 50
    async with store_on(server) as store:
        await store.write([up(HOUR + n * 600) for n in range(200)])
        # when
        stored = await store.ticks(SHOP, HOUR, HOUR + 200 * 600)
        # then
        assert [t.slot_s for t in stored] == [HOUR + n * 600 for n in range(200)]
        # when a single group has too many
        server.file_limit = 1
        with pytest.raises(Unavailable, match="file limit"):
            await store.raw_buckets(SHOP, None, HOUR, HOUR + 86_400, 86_400)


async def test_the_last_roll_up_is_found_within_the_files_of_3_core(real):
    # given: for the last 20 days nothing of ours, in files that are there
    server = Recorded3(**real | {"now_s": NOW_S})
    hour_s = NOW_S // 3600 * 3600 - 20 * DAY_S
    async with store_on(server) as store:
        await store.prepare()
        await store.write([up(hour_s + 60)])
        await store.roll_up(hour_s)
        server.blocks[HOURLY] |= {(NOW_S - h * 3600) // 600 for h in range(400 * 24)}
        # then
        assert await store.last_rolled_up() == hour_s


async def test_an_hour_is_rolled_up_however_3_core_cuts_its_answer(real):
    # given
    server = Recorded3(**real)
    server.cut = 7
    async with store_on(server) as store:
        await store.prepare()
        await store.write([up(HOUR, 1.0), up(HOUR + 60, 3.0), refused(HOUR + 120)])
        # when
        stored = await store.roll_up(HOUR)
        # then
        assert stored == 1
        [bucket] = await hourly_buckets(store, SHOP, None, HOUR, HOUR + 1)
        assert (bucket.checks, bucket.up) == (3, 2)
