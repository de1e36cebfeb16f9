"""Every figure of a report is what a slow count of single seconds finds in the script of what
happened: outages, pauses, a region without network, and a scheduler that was away."""

import datetime as dt
import random
from itertools import count
from uuid import UUID

import pytest

from monitor.domain.ids import ring_position
from support.bulk import ndjson, send
from support.factories import website_body
from support.played import play
from support.story import Story

HOUR, DAY = 3600, 86_400
TIMEOUT_S = 20
REGIONS = ("africa", "asia", "europe")
SUMS = (
    "availability", "total_downtime_s", "not_measured_s", "excluded_s", "number_of_incidents",
    "longest_incident_s", "average_incident_s", "mean_time_between_failures_s",
)  # fmt: skip
BEGIN = int(dt.datetime(2026, 10, 23, 10, 20, 17, tzinfo=dt.UTC).timestamp())
"""Two days before clocks change in Europe."""


def _spans(begin_s, *spans):
    return tuple(
        (begin_s + int(since * HOUR), begin_s + int(until * HOUR)) for since, until in spans
    )


def _story(website, begin_s=BEGIN, every_s=120):
    """Four days: what overlaps, what lies across midnight, and what ends in a pause."""
    everywhere = ((5, 5.6), (13.5, 14.2), (30, 31), (52, 53.1), (71, 72))
    return Story(
        since_s=begin_s,
        until_s=begin_s + 4 * DAY - 1234,
        every_s=every_s,
        timeout_s=TIMEOUT_S,
        offset_s=ring_position(UUID(website["id"])) * every_s // 2**32,
        regions=REGIONS,
        outages={
            "africa": _spans(begin_s, (2, 2.5), *everywhere),
            "asia": _spans(begin_s, *everywhere),
            "europe": _spans(begin_s, (24, 25), (30.2, 31.3), (71, 72)),
        },
        pauses=_spans(begin_s, (20, 22.25), (52.8, 58)),
        offline={
            "africa": _spans(begin_s, (40, 47)),
            "europe": _spans(begin_s, (12, 15), (88, 90)),
        },
        away=_spans(begin_s, (13.8, 14.5), (65, 66), (71.5, 71.9), (80, 80.05)),
    )


async def _website(api, offset_s=73, every_s=120):
    """One whose slots lie so far into each interval."""
    await api.add_regions(*REGIONS)
    ids = (UUID(int=(BEGIN << 96) + (7 << 76) + (2 << 62) + n) for n in count())
    chosen = next(i for i in ids if ring_position(i) * every_s // 2**32 == offset_s)
    body = website_body(id=str(chosen), check_frequency=every_s, request_timeout=TIMEOUT_S)
    await send(api, ndjson(body))
    return await api.get(f"/websites/{chosen}")


def _sums(figures):
    return {name: figures[name] for name in SUMS}


def _time(unix_s):
    return f"{dt.datetime.fromtimestamp(unix_s, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


async def _assert_true(api, website, story, since_s, until_s, **query):
    query = query or {"from": _time(since_s), "to": _time(until_s)}
    sla = await api.get(f"/websites/{website['id']}/sla", params=query)
    assert (sla["from"], sla["to"]) == (_time(max(since_s, story.since_s)), _time(until_s))
    assert _sums(sla) == story.figures(since_s, until_s)
    assert [r["region"] for r in sla["regions"]] == list(REGIONS)
    for region in sla["regions"]:
        assert _sums(region) == story.figures(since_s, until_s, region["region"])
    return sla


@pytest.mark.parametrize("offset_s", [36, 119])
async def test_every_figure_is_that_of_the_script_to_the_second(api, offset_s):
    website = await _website(api, offset_s)
    story = _story(website)
    await play(api, website, story)
    # the whole of it, in which everything has happened
    whole = await _assert_true(api, website, story, story.since_s, story.until_s)
    assert whole["number_of_incidents"] >= 4
    assert all(whole[n] > 1000 for n in ("total_downtime_s", "not_measured_s", "excluded_s"))
    # edges of hours and days, those within an outage, a pause, and a gap, and any others
    chance = random.Random(5)
    begin_s = story.since_s
    windows = [
        (begin_s - 10 * DAY, story.until_s),
        (begin_s // DAY * DAY + DAY, begin_s // DAY * DAY + 3 * DAY),
        *_spans(begin_s, (5.3, 5.4), (5.3, 21), (20.5, 52.9), (14, 71.7), (13.9, 14.1)),
    ]
    for _ in range(20):
        edges = sorted(chance.sample(range(story.since_s, story.until_s), 2))
        windows.append(tuple(edges))
    for since_s, until_s in windows:
        await _assert_true(api, website, story, since_s, until_s)
    # and in a pause no region checked it
    paused = {"from": _time(begin_s + 21 * HOUR), "to": _time(begin_s + 22 * HOUR)}
    sla = await api.get(f"/websites/{website['id']}/sla", params=paused)
    assert (sla["excluded_s"], sla["availability"]["measured"]) == (HOUR, None)
    assert (sla["checks"], sla["regions"]) == (0, [])


async def _assert_responses(sla, story, *, region=None, exact):
    """They are those of the checks of the time that the answer names."""
    figures = sla if region is None else next(r for r in sla["regions"] if r["region"] == region)
    told = figures["response_ms"]
    since_s, until_s = _unix(told["from"]), _unix(told["to"])
    values = story.response_times(since_s, until_s, region)
    assert figures["checks"] == len(values)
    assert told["exact"] is exact
    assert told["mean"] == pytest.approx(sum(values) / len(values), abs=0.001)
    assert told["max"] == pytest.approx(values[-1], abs=0.001)
    for q in (50, 75, 90, 95, 99):
        rank = min(max((2 * q * len(values) + 100) // 200, 1), len(values))
        within = 0.001 if exact else 0.011 * values[rank - 1]
        assert told[f"p{q}"] == pytest.approx(values[rank - 1], abs=within)
    return since_s, until_s


def _unix(text):
    return int(dt.datetime.fromisoformat(text).timestamp())


async def test_response_times_are_exact_for_three_days_and_within_a_percent_for_longer(api):
    website = await _website(api)
    story = _story(website)
    await play(api, website, story)
    end_s = story.until_s
    for since_s, until_s in [(end_s - 3 * DAY, end_s), (end_s - DAY, end_s - HOUR - 7)]:
        query = {"from": _time(since_s), "to": _time(until_s)}
        sla = await api.get(f"/websites/{website['id']}/sla", params=query)
        assert await _assert_responses(sla, story, exact=True) == (since_s, until_s)
        await _assert_responses(sla, story, region="asia", exact=True)
    # longer ones are those of the hours at the edges
    query = {"from": _time(end_s - 3 * DAY - HOUR), "to": _time(end_s - 100)}
    sla = await api.get(f"/websites/{website['id']}/sla", params=query)
    since_s, until_s = await _assert_responses(sla, story, exact=False)
    assert (since_s, until_s) == ((end_s - 3 * DAY - HOUR) // HOUR * HOUR, end_s - 100)
    await _assert_responses(sla, story, region="europe", exact=False)
    # and where histograms of hours have gone, of days
    api.now_s = story.since_s + 31.5 * DAY
    query["to"] = _time(end_s - 2 * HOUR)
    sla = await api.get(f"/websites/{website['id']}/sla", params=query)
    since_s, until_s = await _assert_responses(sla, story, exact=False)
    assert (since_s % DAY, until_s) == (0, end_s // HOUR * HOUR - HOUR)
    assert _sums(sla) == story.figures(_unix(sla["from"]), _unix(sla["to"]))
