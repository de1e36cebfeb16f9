"""Single checks over the API: newest first, with what was due and not measured between them."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import pytest
from msgspec import structs

from monitor.domain.ids import ring_position
from monitor.domain.outcome import Reason, Timings
from monitor.domain.ring import slots_of_position
from monitor.storage.postgres.pool import session
from monitor.storage.postgres.schedules import fetch_known
from support.factories import tick

HOUR, DAY, EVERY = 3600, 86_400, 600


def _text(unix_s):
    return f"{dt.datetime.fromtimestamp(unix_s, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def _up(website, slot_s, *, region="europe", **fields):
    return structs.replace(tick(slot_s, 12.5, website=UUID(website["id"]), region=region), **fields)


def _down(website, slot_s, *, region="europe", **fields):
    refused = {"reason": Reason.CONNECTION_REFUSED, "timings": Timings(connect_ms=0.25)}
    one = tick(slot_s, None, website=UUID(website["id"]), region=region, **refused)
    return structs.replace(one, address="192.0.2.7", **fields)


async def _website(api, age_s=6 * HOUR, regions=("europe",)):
    """One that was created so long ago and is checked every ten minutes."""
    api.now_s = api.now_s // HOUR * HOUR + 1800
    await api.add_regions(*regions)
    await api.ticks.prepare()
    website = await api.add_website(check_frequency=EVERY, regions=list(regions))
    since_s = _begin_s(api, age_s)
    await api.rows("UPDATE websites SET created_at = to_timestamp(%s)", since_s)
    await api.rows("UPDATE website_periods SET since = to_timestamp(%s)", since_s)
    await api.rows("UPDATE region_periods SET since = to_timestamp(%s)", since_s)
    return website


def _slots(api, website, age_s=6 * HOUR):
    """Those of this time whose checks are over."""
    position = ring_position(UUID(website["id"]))
    return slots_of_position(position, EVERY, _begin_s(api, age_s), int(api.now_s) - 60)


def _begin_s(api, age_s):
    """A whole minute, so that all slots from then on have their turns."""
    return int(api.now_s) // 60 * 60 - age_s


async def _pages(api, website, **params):
    pages, cursor = [], None
    while True:
        sent = params if cursor is None else params | {"cursor": cursor}
        page = await api.get(f"/websites/{website['id']}/checks", params=sent)
        pages.append(page["items"])
        if (cursor := page["next_cursor"]) is None:
            return pages


async def test_a_check_says_what_it_found(api):
    # given
    website = await _website(api)
    first, second, *_ = _slots(api, website, HOUR)
    timings = Timings(0.0, 0.25, 0.625, 10.0, 1.625, dns_shared=True)
    up = _up(website, first, timings=timings, began_at_s=first + 4.25)
    await api.ticks.write([up, _down(website, second)])
    # when
    window = {"from": _text(first), "to": _text(second + 1)}
    ((down, late),) = await _pages(api, website, **window)
    # then
    nothing = {"until": None, "out_of_turn": False, "region": "europe"}
    assert down == nothing | {
        "result": "down", "slot": _text(second), "began_at": None, "address": "192.0.2.7",
        "reason": "connection_refused", "status_code": None, "response_ms": None,
        "phases_ms": {"dns": 0.0, "connect": 0.25, "tls": 0.0, "wait": 0.0, "transfer": 0.0},
        "dns_shared": False,
    }  # fmt: skip
    assert late == nothing | {
        "result": "up", "slot": _text(first), "began_at": _text(first + 4)[:-1] + ".250000Z",
        "reason": None, "status_code": 200, "response_ms": 12.5, "address": None,
        "phases_ms": {"dns": 0.0, "connect": 0.25, "tls": 0.625, "wait": 10.0, "transfer": 1.625},
        "dns_shared": True,
    }  # fmt: skip


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_gaps_stand_between_the_checks_and_are_whole_on_any_page(api, limit):
    # given slots of which three in a row and the first two were not measured
    website = await _website(api)
    slots = _slots(api, website)
    missed = {*slots[:2], *slots[10:13]}
    await api.ticks.write([_up(website, s) for s in slots if s not in missed])
    # when
    pages = await _pages(api, website, limit=limit)
    # then
    items = [item for page in pages for item in page]
    gaps = {slots[10]: slots[13], slots[0]: slots[2]}
    listed = [(s, None) for s in slots if s not in missed] + list(gaps.items())
    assert [(i["slot"], i["until"]) for i in items] == [
        (_text(s), until and _text(until)) for s, until in sorted(listed, reverse=True)
    ]
    assert {i["result"] for i in items if i["until"]} == {"not_measured"}
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)


async def test_gaps_of_rolled_up_hours_are_told_likewise(api):
    # given the hours before this one are rolled up, with one slot missing
    website = await _website(api)
    slots = _slots(api, website)
    await api.ticks.write([_up(website, s) for s in slots if s != slots[7]])
    before = await _pages(api, website)

    async def schedules(ids, since_s, until_s):
        async with session(api.pool) as connection:
            return await fetch_known(connection, ids, since_s, until_s)

    this_hour = int(api.now_s) // HOUR * HOUR
    for hour in range(this_hour - 6 * HOUR, this_hour, HOUR):
        await api.ticks.roll_up(hour, schedules)
    # then
    assert await _pages(api, website) == before
    assert [i["slot"] for i in before[0] if i["until"]] == [_text(slots[7])]


@pytest.mark.parametrize("result", ["up", "down", "not_measured"])
async def test_a_result_is_listed_alone(api, result):
    # given
    website = await _website(api)
    slots = _slots(api, website)
    await api.ticks.write([_up(website, s) for s in slots[:10]])
    await api.ticks.write([_down(website, s) for s in slots[10:20]])
    # when
    pages = await _pages(api, website, result=result, limit=4)
    # then
    items = [item for page in pages for item in page]
    expected = {"up": slots[:10], "down": slots[10:20], "not_measured": slots[20:21]}[result]
    assert [i["slot"] for i in items] == [_text(s) for s in reversed(expected)]
    assert {i["result"] for i in items} == {result}


async def test_a_region_is_listed_alone(api):
    # given
    website = await _website(api, regions=("asia", "europe"))
    slots = _slots(api, website)
    await api.ticks.write([_up(website, s) for s in slots])
    await api.ticks.write([_up(website, s, region="asia") for s in slots[1:]])
    # when
    (both,) = await _pages(api, website)
    (asia,) = await _pages(api, website, region="asia")
    # then
    assert asia == [i for i in both if i["region"] == "asia"]
    assert len(both) == 2 * len(slots)
    assert [(i["region"], i["result"]) for i in both[-2:]] == [
        ("asia", "not_measured"), ("europe", "up"),
    ]  # fmt: skip


async def test_a_pause_is_no_gap(api):
    # given a website that was paused for two hours of three
    website = await _website(api, age_s=3 * HOUR)
    since_s = int(api.now_s) - 2 * HOUR
    await api.rows("UPDATE website_periods SET until = to_timestamp(%s)", since_s)
    await api.rows(
        "INSERT INTO website_periods (website_id, since) VALUES (%s, to_timestamp(%s))",
        website["id"], since_s,
    )  # fmt: skip
    # when
    ((gap,),) = await _pages(api, website)
    # then
    assert (gap["result"], gap["until"]) == ("not_measured", _text(since_s))


async def test_rare_failures_are_found_however_long_ago(api):
    # given one failure 20 days ago
    website = await _website(api, age_s=25 * DAY)
    slot = _slots(api, website, 20 * DAY)[0]
    await api.ticks.write([_down(website, slot)])
    # when
    ((item,),) = await _pages(api, website, result="down")
    # then
    assert item["slot"] == _text(slot)


async def test_a_cursor_of_another_list_is_refused(api):
    # given
    website = await _website(api)
    await api.ticks.write([_up(website, s) for s in _slots(api, website)])
    path = f"/websites/{website['id']}/checks"
    cursor = (await api.get(path, params={"limit": 2}))["next_cursor"]
    # when
    params = {"limit": 2, "cursor": cursor, "result": "up"}
    problem = await api.get(path, params=params, expect=400)
    # then
    assert [e["field"] for e in problem["errors"]] == ["cursor"]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"result": "maybe"}, "result"),
        ({"region": "nowhere"}, "region"),
        ({"from": "2020-01-01"}, "from"),
        ({"from": "now"}, "from"),
        ({"tz": "Mars/Base"}, "tz"),
        ({"limit": 0}, "limit"),
        ({"cursor": "x"}, "cursor"),
    ],
)
async def test_a_bad_parameter_is_named(api, params, field):
    # given
    website = await _website(api)
    # when
    problem = await api.get(f"/websites/{website['id']}/checks", params=params, expect=400)
    # then
    assert [e["field"] for e in problem["errors"]] == [field]


async def test_a_website_that_is_gone_is_not_found(api):
    problem = await api.get(f"/websites/{UUID(int=7)}/checks", expect=404)
    assert problem["code"] == "website_not_found"
