"""Reports about more than a year, of which nothing but days, flips, incidents and periods is left:
the same from both tick stores."""

import datetime as dt
import random
from dataclasses import replace
from uuid import UUID

import pytest

from monitor.domain.ids import ring_position
from monitor.domain.schedule import RegionSchedule
from monitor.domain.series import DAY_S, HOUR_S
from monitor.domain.verdict import Flip, Verdict
from monitor.resources.report_window import WindowQuery
from monitor.services.reports import sla
from monitor.storage.postgres import flips, rolled_up_days, schedules
from monitor.storage.postgres.pool import session, transaction
from monitor.storage.postgres.rolled_up_days import DaysDone
from monitor.storage.redis.tick_buffer import TickBuffer
from monitor.storage.timeseries.totals import Totals
from support.tick_store import tick_store, write_days
from support.ticks import kept

DAYS = 400
EVERY_S, TIMEOUT_S = 180, 15
LASTS_S = 2 * EVERY_S + TIMEOUT_S + 60 + 1
REGIONS = ("asia", "europe")
GAPS = {
    "asia": [(30.4, 30.9), (130.0, 131.0), (350.2, 350.3)],
    "europe": [(30.6, 31.2), (130.0, 131.0), (210.99, 213.01), (350.2, 350.3)],
}
"""When each region measured nothing, in days."""
PAUSE = (100.25, 103.75)
OUTAGES = [(50.1, 50.2), (130.3, 130.6), (200.0, 202.5), (390.9, 391.1)]


@pytest.fixture
async def influx(influx_database):
    store = tick_store(influx=influx_database)
    await store.prepare()
    yield store
    await store.close()


async def _website(api, begin_s):
    """A website whose schedule begins 400 days ago, with a pause."""
    await api.add_regions(*REGIONS)
    made = await api.add_website(check_frequency=EVERY_S, request_timeout=TIMEOUT_S)
    await api.rows("UPDATE region_periods SET since = to_timestamp(%s)", begin_s - DAY_S)
    await api.rows("UPDATE websites SET created_at = to_timestamp(%s)", begin_s)
    await api.rows("DELETE FROM website_periods")
    edges = [begin_s, *(begin_s + int(edge * DAY_S) for edge in PAUSE)]
    for number, (since, until) in enumerate(zip(edges, [*edges[1:], None], strict=True)):
        await api.rows(
            "INSERT INTO website_periods VALUES (%s, to_timestamp(%s), to_timestamp(%s), %s, NULL)",
            made["id"], since, until, None if number == 1 else EVERY_S,
        )  # fmt: skip
    return UUID(made["id"])


async def _days(api, website, begin_s):
    """Its days, as they are made from what was measured."""
    async with session(api.pool) as connection:
        schedule = (await schedules.fetch(connection, [website], begin_s))[website]
    chance = random.Random(3)
    for region in REGIONS:
        due = RegionSchedule(schedule, ring_position(website), region)
        for day_s in range(begin_s, begin_s + DAYS * DAY_S, DAY_S):
            filled = [slot for turn, slot in due.slots(day_s, day_s + DAY_S)
                      if not _missing(region, slot - begin_s)]  # fmt: skip
            if filled:
                values = [chance.lognormvariate(3, 1) for _ in filled]
                totals = Totals(website, region, len(filled), len(filled), 0, values, filled)
                yield totals.rollup(day_s, schedule, width_s=DAY_S)


def _missing(region, second):
    return any(since * DAY_S <= second < until * DAY_S for since, until in GAPS[region])


async def _outages(api, website, begin_s):
    """Incidents, and the flips of both regions, a minute apart."""
    for since, until in OUTAGES:
        down_s, up_s = begin_s + int(since * DAY_S), begin_s + int(until * DAY_S)
        await api.open_incident({"id": str(website)}, down_s + 60, resolved=up_s)
        async with transaction(api.pool) as connection:
            for number, region in enumerate(REGIONS):
                at_s = down_s + 60 * number
                await flips.record(connection, [
                    Flip(website, region, Verdict.DOWN, at_s, at_s + 15),
                    Flip(website, region, Verdict.UP, up_s, up_s),
                ])  # fmt: skip


async def test_four_hundred_days_are_the_same_from_both_stores(api, influx):
    # given
    end_s = int(api.now_s) // DAY_S * DAY_S
    begin_s = end_s - DAYS * DAY_S
    website = await _website(api, begin_s)
    days = [day async for day in _days(api, website, begin_s)]
    await _outages(api, website, begin_s)
    for store in (api.ticks, influx):
        await write_days(store, website, days)
    async with session(api.pool) as connection:
        await rolled_up_days.note(connection, DaysDone(begin_s, end_s - DAY_S))
    await TickBuffer(api.redis, 0).note_rolled_up(end_s - HOUR_S)
    # when
    api.now_s = float(end_s)
    reports = []
    for store in (api.ticks, influx):
        sources = replace(api.deps, tick_store=store).reports()
        for asked in _windows(begin_s):
            reports.append(await sla.of_website(sources, website, asked, None))  # noqa: PERF401
    # then
    half = len(reports) // 2
    for one, other in zip(reports[:half], reports[half:], strict=True):
        assert list(one.report.regions) == list(other.report.regions)
        for mine, theirs in zip(_all(one), _all(other), strict=True):
            assert _exact(mine) == _exact(theirs)
            assert theirs.responses.mean_ms == kept(mine.responses.mean_ms)
            assert theirs.responses.max_ms == kept(mine.responses.max_ms)
    whole = reports[0].report.overall
    assert whole.responses.checks == sum(day.checks for day in days)
    assert whole.seconds.excluded_s == 3.5 * DAY_S
    assert whole.incidents.number == len(OUTAGES)
    # nobody measured in the time that both missed, but for as long as verdicts last
    gaps = [(30.6, 30.9), (130.0, 131.0), (350.2, 350.3)]
    for tolerance_s, actual_s, expected_s in [
        (4 * EVERY_S, whole.seconds.not_measured_s,
         sum((until - since) * DAY_S - LASTS_S for since, until in gaps) + 2 * EVERY_S),
        (4 * EVERY_S, whole.seconds.down_s,
         sum((until - since) * DAY_S - 60 for since, until in OUTAGES if since != 130.3)),
    ]:  # fmt: skip
        assert abs(actual_s - expected_s) <= tolerance_s
    europe = reports[0].report.regions["europe"]
    assert europe.incidents.number == len(OUTAGES)
    assert europe.seconds.not_measured_s > whole.seconds.not_measured_s + 2 * DAY_S


def _windows(begin_s):
    def at(days):
        return f"{dt.datetime.fromtimestamp(begin_s + days * DAY_S, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"

    yield WindowQuery(at(0), at(DAYS))
    for since, until in [(30.7, 130.5), (100.3, 103.7), (50.15, 391), (211.5, 212.5)]:
        yield WindowQuery(at(since), at(until))


def _all(one):
    return [one.report.overall, *one.report.regions.values()]


def _exact(figures):
    responses = figures.responses
    counts = responses.span, responses.checks, responses.measured, responses.histogram
    return figures.seconds, figures.incidents, counts
