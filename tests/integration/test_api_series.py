"""Time series over the API, from real ticks and roll-ups."""

import datetime as dt
from uuid import UUID

import pytest

from monitor.domain.outcome import Reason
from support.factories import tick

HOUR, DAY = 3600, 86_400


def _tick(website, slot_s, response_ms=10.0, *, region="europe", up=True):
    reason = None if up else Reason.HTTP_STATUS
    return tick(slot_s, response_ms, website=UUID(website["id"]), region=region, reason=reason)


def _unix(text):
    return int(dt.datetime.fromisoformat(text).timestamp())


async def _created(api, website, at_s):
    await api.rows(
        "UPDATE websites SET created_at = to_timestamp(%s) WHERE id = %s", at_s, website["id"]
    )


async def _old_website(api, **fields):
    await api.add_regions("asia", "europe")
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
    for days in (1, 2, 3, 4, 7, 30, 90):
        found = await api.get(f"/monitor/{made['id']}", params={"days": days})
        span = _unix(found["until"]) - _unix(found["since"])
        assert span / found["bucket_s"] <= 500
        assert span >= days * DAY
        assert _unix(found["until"]) > api.now_s


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


async def test_no_website_no_series(api):
    nobody = "0197a000-0000-7000-8000-00000000000a"
    problem = await api.get(f"/monitor/{nobody}", expect=404)
    assert problem["code"] == "website_not_found"
