"""Time series over the API, from real ticks and roll-ups."""

import datetime as dt
from math import ceil
from uuid import UUID

import pytest

from monitor.domain.ids import ring_position
from monitor.domain.outcome import Reason
from monitor.domain.ring import slots_of_position, turn_of
from support.factories import tick

HOUR, DAY = 3600, 86_400


def _tick(website, slot_s, response_ms=10.0, *, region="europe", up=True, **fields):
    fields["reason"] = None if up else Reason.HTTP_STATUS
    return tick(slot_s, response_ms, website=UUID(website["id"]), region=region, **fields)


def _unix(text):
    return int(dt.datetime.fromisoformat(text).timestamp())


def _text(unix_s):
    return f"{dt.datetime.fromtimestamp(unix_s, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


async def _created(api, website, at_s):
    """As if it had been created then, and not been changed since."""
    for column, table, key in (
        ("created_at", "websites", "id"), ("since", "website_periods", "website_id")
    ):  # fmt: skip
        await api.rows(
            f"UPDATE {table} SET {column} = to_timestamp(%s) WHERE {key} = %s", at_s, website["id"]
        )


async def _old_website(api, **fields):
    await api.add_regions("asia", "europe")
    await api.rows("UPDATE region_periods SET since = since - interval '100 days'")
    await api.ticks.prepare()
    made = await api.add_website(check_frequency=60, **fields)
    await _created(api, made, api.now_s - 100 * DAY)
    return made


async def test_a_day_in_buckets_with_the_gaps_left_out(api):
    # given a check a minute in two hours of the last three, one of ten slow and down
    made = await _old_website(api)
    start = int(api.now_s) // HOUR * HOUR - 2 * HOUR
    slots = [start + 60 * n for n in range(60)]
    await api.ticks.write(
        [_tick(made, s, 10.0 if n % 10 else 110.0, up=bool(n % 10)) for n, s in enumerate(slots)]
    )
    # when
    found = await api.get(f"/monitor/{made['id']}")
    # then
    assert (found["website_id"], found["days"]) == (made["id"], 1)
    assert _unix(found["until"]) - _unix(found["since"]) >= DAY
    assert _unix(found["since"]) % found["bucket_s"] == 0
    asia, europe = found["series"]
    assert asia == {
        "region": "asia",
        "uptime": {"checks": 0, "up_ratio": None, "measured_ratio": 0.0},
        "points": [],
        "gaps": [{"since": found["since"], "until": _text(int(api.now_s)), "why": "not_measured"}],
    }
    assert europe["region"] == "europe"
    assert europe["uptime"]["checks"] == 60
    assert europe["uptime"]["up_ratio"] == 0.9
    assert europe["uptime"]["measured_ratio"] == pytest.approx(60 / 1440, rel=0.01)
    points = europe["points"]
    assert sum(p["checks"] for p in points) == 60
    times = [_unix(p["time"]) for p in points]
    assert times == sorted(set(times))
    assert all(start <= t < start + HOUR for t in times)
    assert max(p["response_ms"]["max"] for p in points) == 110.0
    assert all(0 <= p["up_ratio"] <= 1 for p in points)
    mean = sum(p["response_ms"]["mean"] * p["checks"] for p in points) / 60
    assert mean == pytest.approx(20.0, abs=0.01)


async def test_one_region_alone(api):
    made = await _old_website(api, regions=["europe"])
    slot = int(api.now_s) - 100
    await api.ticks.write([_tick(made, slot), _tick(made, slot, region="asia")])
    # one that it no longer has is drawn too, as long as there is something to draw
    both = await api.get(f"/monitor/{made['id']}")
    assert [s["region"] for s in both["series"]] == ["asia", "europe"]
    one = await api.get(f"/monitor/{made['id']}", params={"region": "asia"})
    assert [(s["region"], s["uptime"]["checks"]) for s in one["series"]] == [("asia", 1)]


async def test_a_month_is_hours_from_roll_ups_and_the_last_ones_from_raw_ticks(api):
    # given roll-ups of two hours of yesterday, raw ticks of now, and of now a roll-up too
    made = await _old_website(api)
    this_hour = int(api.now_s) // HOUR * HOUR
    hours = [this_hour - 20 * HOUR, this_hour - 19 * HOUR]
    await api.ticks.write([_tick(made, h + 60 * n) for h in hours for n in range(60)])
    await api.ticks.write([_tick(made, int(api.now_s) - 60 * n, 30.0) for n in (1, 2, 3)])
    for hour in [*hours, this_hour]:
        await api.ticks.roll_up(hour)
    # when
    found = await api.get(f"/monitor/{made['id']}", params={"days": 30, "region": "europe"})
    # then
    (series,) = found["series"]
    assert series["uptime"]["checks"] == 123
    assert sum(p["checks"] for p in series["points"]) == 123
    assert found["bucket_s"] % HOUR == 0
    # and what is not rolled up but old is a gap
    await api.rows("DELETE FROM tick_rollups")
    found = await api.get(f"/monitor/{made['id']}", params={"days": 30, "region": "europe"})
    assert found["series"][0]["uptime"]["checks"] == 3


async def test_any_span_has_at_most_five_hundred_buckets(api):
    made = await _old_website(api)
    for days in (1, 2, 3, 4, 7, 30, 31, 90, 400):
        found = await api.get(f"/monitor/{made['id']}", params={"days": days})
        span = _unix(found["until"]) - _unix(found["since"])
        assert span / found["bucket_s"] <= 500
        assert span >= days * DAY
        assert _unix(found["until"]) > api.now_s


def _values(count):
    return [1.5 ** (n % 20) for n in range(count)]


def _p95(values):
    return sorted(values)[int(0.95 * len(values) + 0.5) - 1]


async def test_percentiles_of_wide_buckets_are_those_of_their_checks(api):
    # given two hours of two days ago, in one bucket of a chart of a month
    made = await _old_website(api)
    start = (int(api.now_s) - 2 * DAY) // (2 * HOUR) * 2 * HOUR
    values = _values(120)
    ticks = [_tick(made, start + 60 * n, ms) for n, ms in enumerate(values)]
    await api.ticks.write(ticks)
    for hour in (start, start + HOUR):
        await api.ticks.roll_up(hour)
    # when
    chart = await api.get(f"/monitor/{made['id']}", params={"days": 30, "region": "europe"})
    # then
    (point,) = chart["series"][0]["points"]
    assert (chart["bucket_s"], point["time"], point["checks"]) == (2 * HOUR, _text(start), 120)
    assert point["response_ms"]["p95"] == pytest.approx(_p95(values), rel=0.011)
    assert point["response_ms"]["mean"] == pytest.approx(sum(values) / 120, rel=1e-4)


async def test_a_year_is_made_of_days_with_percentiles(api):
    # given two hours of a day whose ticks are kept no more
    made = await _old_website(api)
    await _created(api, made, api.now_s - 399 * DAY)
    day = int(api.now_s) // DAY * DAY - 200 * DAY
    values = _values(120)
    ticks = [_tick(made, day + 5 * HOUR + 60 * n, ms) for n, ms in enumerate(values)]
    await api.ticks.write(ticks)
    for hour in (day + 5 * HOUR, day + 6 * HOUR):
        await api.ticks.roll_up(hour)
    await api.ticks.roll_up_day(day)
    await api.rows("TRUNCATE ticks, tick_rollups, tick_histograms")
    await api.ticks.write([_tick(made, int(api.now_s) - 60, 7.0)])
    # when
    chart = await api.get(f"/monitor/{made['id']}", params={"days": 400, "region": "europe"})
    # then
    old, today = chart["series"][0]["points"]
    assert (chart["bucket_s"], old["time"], old["checks"]) == (DAY, _text(day), 120)
    assert old["response_ms"]["p95"] == pytest.approx(_p95(values), rel=0.011)
    assert today["checks"] == 1


async def test_a_window_of_last_week_is_shown_alone(api):
    # given a check in each of three hours
    made = await _old_website(api)
    start = int(api.now_s) // HOUR * HOUR - 7 * DAY
    await api.ticks.write([_tick(made, start + HOUR * n) for n in range(3)])
    # when
    window = {"from": _text(start + HOUR), "to": _text(start + 2 * HOUR), "region": "europe"}
    chart = await api.get(f"/monitor/{made['id']}", params=window)
    # then
    assert (chart["days"], chart["since"], chart["until"]) == (None, window["from"], window["to"])
    assert [p["time"] for p in chart["series"][0]["points"]] == [_text(start + HOUR)]


@pytest.mark.parametrize("days", [1, 7])
async def test_gaps_say_why_and_exactly_when(api, days):
    # given a website that was measured until an hour ago, and then paused for ten minutes
    api.now_s = api.now_s // HOUR * HOUR + 1800
    made = await _old_website(api, regions=["europe"])
    await _created(api, made, api.now_s - 3 * HOUR)
    until_s = int(api.now_s) - 1800
    await _measure(api, made, (3 * HOUR, 1800, 60))
    pause = until_s + 600, until_s + 1200
    await api.rows(
        "UPDATE website_periods SET until = to_timestamp(%s) WHERE website_id = %s",
        pause[0], made["id"],
    )  # fmt: skip
    for since_s, ends_s, every_s in ((pause[0], pause[1], None), (pause[1], None, 60)):
        await api.rows(
            "INSERT INTO website_periods (website_id, since, until, check_frequency, regions)"
            " VALUES (%s, to_timestamp(%s), to_timestamp(%s), %s, '{europe}')",
            made["id"], since_s, ends_s, every_s,
        )  # fmt: skip
    # when
    chart = await api.get(f"/monitor/{made['id']}", params={"days": days})
    # then
    (europe,) = chart["series"]
    first, paused, last = [g for g in europe["gaps"] if _unix(g["until"]) > until_s]
    assert [g["why"] for g in (first, paused, last)] == ["not_measured", "paused", "not_measured"]
    assert (paused["since"], paused["until"]) == tuple(map(_text, pause))
    # a verdict counts for a while after its check
    assert until_s < _unix(first["since"]) < pause[0]
    assert (first["until"], last["since"]) == (paused["since"], paused["until"])
    assert _unix(last["until"]) == int(api.now_s)


@pytest.mark.parametrize(
    ("params", "field", "text"),
    [
        ({"days": 401}, "days", "must be a whole number from 1 to 400"),
        ({"days": 7, "from": "2026-11-01"}, "days", "must be left out"),
        ({"from": "2026-11-20", "to": "2026-11-19"}, "from", "must be before `to`"),
        ({"from": "2025-01-01", "to": "2026-11-30"}, "from", "must be at most 400 days before"),
        ({"to": "yesterday"}, "to", "must be a time"),
        ({"from": "2026-11-20", "tz": "Mars/Base"}, "tz", "must be a time zone"),
    ],
)
async def test_a_bad_window_is_named(api, params, field, text):
    # given
    api.now_s = dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC).timestamp()
    made = await _old_website(api)
    # when
    problem = await api.get(f"/monitor/{made['id']}", params=params, expect=400)
    # then
    (error,) = problem["errors"]
    assert error["field"] == field
    assert text in error["message"]


async def test_what_was_not_due_yet_is_not_missing(api):
    # given a website made ten minutes ago, measured ever since
    made = await _old_website(api)
    await _created(api, made, api.now_s - 600)
    await api.ticks.write([_tick(made, int(api.now_s) - 60 * n) for n in range(1, 11)])
    # then
    found = await api.get(f"/monitor/{made['id']}", params={"days": 7, "region": "europe"})
    assert found["series"][0]["uptime"] == {
        "checks": 10,
        "up_ratio": 1.0,
        "measured_ratio": pytest.approx(1.0, abs=0.01),
    }


async def _uptime(api, website, region="europe", days=1):
    path = f"/monitor/{website['id']}"
    (series,) = (await api.get(path, params={"days": days, "region": region}))["series"]
    return series["uptime"]


def _position(website):
    return ring_position(UUID(website["id"]))


async def _schedule(api, website, *periods):
    """As if it had been created with the first of these (age in s, interval or None, regions), and
    changed with each of the others."""
    starts = [api.now_s - age_s for age_s, *_ in periods]
    await _created(api, website, starts[0])
    await api.rows("DELETE FROM website_periods WHERE website_id = %s", website["id"])
    for since, until, (_, *rest) in zip(starts, [*starts[1:], None], periods, strict=True):
        every, regions = [*rest, None][:2]
        await api.rows(
            "INSERT INTO website_periods VALUES"
            " (%s, to_timestamp(%s), to_timestamp(%s), %s, %s)",
            website["id"], since, until, every, regions,
        )  # fmt: skip


async def _measure(api, website, *spans, region="europe"):
    """A tick at every turn in these spans: (age in s, age in s, interval). Returns the turns."""
    turns = []
    for begin_age_s, end_age_s, every in spans:
        begin_s, end_s = ceil(api.now_s - begin_age_s), ceil(api.now_s - end_age_s)
        slots = slots_of_position(_position(website), every, begin_s, end_s + 60)
        turns += [turn for slot in slots if begin_s <= (turn := turn_of(slot, every)) < end_s]
    await api.ticks.write([_tick(website, turn, region=region) for turn in turns])
    return turns


async def test_a_pause_is_not_missing(api):
    # given a website that was paused for 150 s of 280, and measured in the others
    made = await _old_website(api)
    await _schedule(api, made, (280, 30), (210, None), (60, 30))
    await _measure(api, made, (280, 210, 30), (60, 0, 30))
    # then
    assert (await _uptime(api, made))["measured_ratio"] == 1.0
    # and what was missed while it was not is
    await api.rows("DELETE FROM ticks WHERE slot = (SELECT min(slot) FROM ticks)")
    assert 0.3 < (await _uptime(api, made))["measured_ratio"] < 0.8


async def test_an_interval_is_due_for_as_long_as_it_lasted(api):
    made = await _old_website(api)
    await _schedule(api, made, (7200, 600), (3600, 60))
    await _measure(api, made, (7200, 3600, 600), (3600, 0, 60))
    assert (await _uptime(api, made))["measured_ratio"] == 1.0


async def test_of_what_was_never_due_no_share_was_measured(api):
    made = await _old_website(api)
    await _schedule(api, made, (86_400, None))
    nothing = {"checks": 0, "up_ratio": None, "measured_ratio": None}
    assert await _uptime(api, made) == nothing
    # nor of a website whose first slot is still to come
    await _schedule(api, made, (20, 60))
    assert await _uptime(api, made) == nothing


async def test_a_region_is_due_while_it_exists_and_the_website_has_it(api):
    # given a region that is half an hour old, of a website of all regions that is an hour old
    made = await _old_website(api)
    await _schedule(api, made, (3600, 60))
    await api.rows(
        "UPDATE region_periods SET since = to_timestamp(%s) WHERE region = 'asia'",
        api.now_s - 1800,
    )
    await _measure(api, made, (3600, 0, 60))
    await _measure(api, made, (1800, 0, 60), region="asia")
    # then
    assert (await _uptime(api, made))["measured_ratio"] == 1.0
    assert (await _uptime(api, made, "asia"))["measured_ratio"] == 1.0
    # and one that the website left half an hour ago is not missed since
    await _schedule(api, made, (3600, 60, ["asia", "europe"]), (1800, 60, ["asia"]))
    await api.rows("DELETE FROM ticks WHERE slot >= to_timestamp(%s)", api.now_s - 1800)
    assert (await _uptime(api, made))["measured_ratio"] == 1.0
    assert (await _uptime(api, made, "asia"))["measured_ratio"] == 0.0


@pytest.mark.parametrize("days", [1, 7])
async def test_checks_out_of_turn_fill_no_slot(api, days):
    # given two of ten slots of long ago missed, and re-checks after three others
    made = await _old_website(api)
    begin_s = int(api.now_s) // HOUR * HOUR - 4 * HOUR
    ages = api.now_s - begin_s, api.now_s - begin_s - 600
    await _schedule(api, made, (ages[0], 60), (ages[1], None))
    turns = await _measure(api, made, (*ages, 60))
    await api.rows("DELETE FROM ticks WHERE slot <= to_timestamp(%s)", turns[1])
    rechecks = [_tick(made, turn + 15, out_of_turn=True) for turn in turns[-3:]]
    await api.ticks.write(rechecks)
    await api.ticks.roll_up(begin_s)
    # then
    assert await _uptime(api, made, days=days) == {
        "checks": 11, "up_ratio": 1.0, "measured_ratio": 0.8,
    }  # fmt: skip


@pytest.mark.parametrize("days", [1, 7])
async def test_before_the_first_known_period_nothing_is_said(api, days):
    # given a website of long ago, whose schedule is known for an hour
    api.now_s = api.now_s // HOUR * HOUR + 1800
    this_hour, known_s = api.now_s - 1800, api.now_s - HOUR
    made = await _old_website(api)
    await _measure(api, made, (2 * HOUR, 0, 60))
    for back in (2, 1):
        await api.ticks.roll_up(int(this_hour) - back * HOUR)
    await api.rows("UPDATE website_periods SET since = to_timestamp(%s)", known_s)
    # then what was measured before is not counted
    assert await _uptime(api, made, days=days) == {
        "checks": 120, "up_ratio": 1.0, "measured_ratio": 1.0,
    }  # fmt: skip
    await api.rows("DELETE FROM ticks WHERE slot = to_timestamp(%s)", this_hour + 600)
    assert 0.96 < (await _uptime(api, made, days=days))["measured_ratio"] < 1.0
    # nor is it missed
    await api.rows("DELETE FROM ticks WHERE slot < to_timestamp(%s)", known_s)
    await api.rows("DELETE FROM tick_rollups WHERE hour < to_timestamp(%s)", this_hour - HOUR)
    assert 0.96 < (await _uptime(api, made, days=days))["measured_ratio"] < 1.0
    # and without any, nothing is known
    await api.rows("DELETE FROM website_periods")
    assert (await _uptime(api, made, days=days))["measured_ratio"] is None


async def test_what_is_being_checked_is_not_missing_yet(api):
    # given slots of the last minute without ticks, both of them begun and neither settled
    api.now_s = api.now_s // 60 * 60 + 40
    made = await _old_website(api)
    await _schedule(api, made, (3600, 30))
    turns = await _measure(api, made, (3600, 0, 30))
    await api.rows("DELETE FROM ticks WHERE slot >= to_timestamp(%s)", turns[-2])
    # then they are neither due, nor do others stand in for them
    assert (await _uptime(api, made))["measured_ratio"] == 1.0
    await api.rows("DELETE FROM ticks WHERE slot = to_timestamp(%s)", turns[10])
    assert (await _uptime(api, made))["measured_ratio"] < 1.0
    await api.ticks.write([_tick(made, turn) for turn in turns[-2:]])
    assert (await _uptime(api, made))["measured_ratio"] < 1.0


async def test_no_website_no_series(api):
    nobody = "0197a000-0000-7000-8000-00000000000a"
    problem = await api.get(f"/monitor/{nobody}", expect=404)
    assert problem["code"] == "website_not_found"
