"""Availability reports over the API: their windows, pages and totals, CSV, and what is refused."""

import csv
import datetime as dt
import io
from uuid import UUID

import pytest

from monitor.domain.access import Role
from monitor.domain.ids import ring_position
from monitor.domain.ring import MINUTE_S, slots_of_position
from monitor.domain.series import DAY_S, HOUR_S
from support.factories import tick
from support.played import roll_up

NOBODY = "0197a000-0000-7000-8000-00000000000a"
FORM = "must be a time with its offset, like 2026-11-24T10:00:00Z, or a date, like 2026-11-24"


def _time(unix_s):
    return f"{dt.datetime.fromtimestamp(unix_s, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def _unix(text):
    return int(dt.datetime.fromisoformat(text).timestamp())


async def _measured(api, *, age_s=6 * HOUR_S, every_s=300, region="europe", **fields):
    """A website that has been up ever since it was created, ``age_s`` ago."""
    website = await api.add_website(check_frequency=every_s, **fields)
    since_s = int(api.now_s) - age_s
    for table, column in (("websites", "created_at"), ("website_periods", "since")):
        key = "id" if table == "websites" else "website_id"
        await api.rows(
            f"UPDATE {table} SET {column} = to_timestamp(%s) WHERE {key} = %s",
            since_s,
            website["id"],
        )
    slots = slots_of_position(ring_position(UUID(website["id"])), every_s, since_s, int(api.now_s))
    ticks = [tick(s, 10.0 + n % 7, website=UUID(website["id"]), region=region)
             for n, s in enumerate(slots)]  # fmt: skip
    await api.ticks.write(ticks)
    return website


async def _regions(api, *names):
    await api.add_regions(*names)
    await api.rows("UPDATE region_periods SET since = since - interval '2 years'")


async def _incident(api, website, begin_age_s, end_age_s):
    now_s = int(api.now_s)
    await api.open_incident(website, now_s - begin_age_s, resolved=now_s - end_age_s)


async def test_a_website_that_was_never_measured_has_the_widest_bounds(api):
    await _regions(api, "europe")
    website = await api.add_website(check_frequency=60)
    api.now_s += 600
    sla = await api.get(f"/websites/{website['id']}/sla")
    assert sla["availability"] == {"measured": None, "low": 0.0, "high": 1.0}
    assert sla["not_measured_s"] == _unix(sla["to"]) - _unix(sla["from"])
    assert 599 <= sla["not_measured_s"] <= 601
    assert (sla["total_downtime_s"], sla["excluded_s"]) == (0, 0)
    assert (sla["average_incident_s"], sla["mean_time_between_failures_s"]) == (None, None)
    assert (sla["number_of_incidents"], sla["longest_incident_s"], sla["checks"]) == (0, 0, 0)
    assert sla["response_ms"] == {
        "exact": True, "from": sla["from"], "to": sla["to"],
        **dict.fromkeys(("mean", "p50", "p75", "p90", "p95", "p99", "max")),
    }  # fmt: skip
    assert sla["formula"] == 1


async def test_a_window_before_the_website_was_created_is_empty(api):
    await _regions(api, "europe")
    website = await _measured(api)
    query = {"from": _time(api.now_s - 10 * DAY_S), "to": _time(api.now_s - DAY_S)}
    sla = await api.get(f"/websites/{website['id']}/sla", params=query)
    assert sla["from"] == sla["to"] == query["to"]
    assert sla["availability"] == {"measured": None, "low": 0.0, "high": 1.0}
    assert (sla["not_measured_s"], sla["checks"]) == (0, 0)


async def test_an_incident_is_cut_to_the_window_and_the_same_from_ticks_and_roll_ups(api):
    await _regions(api, "europe")
    website = await _measured(api)
    await _incident(api, website, 3 * HOUR_S, 2 * HOUR_S)
    path = f"/websites/{website['id']}/sla"
    window = {"from": _time(api.now_s - 2.5 * HOUR_S), "to": _time(api.now_s)}
    # given ticks alone
    from_ticks = await api.get(path, params=window)
    assert from_ticks["total_downtime_s"] == from_ticks["longest_incident_s"] == 1800
    assert from_ticks["availability"] == {"measured": 0.8, "low": 0.8, "high": 0.8}
    assert from_ticks["mean_time_between_failures_s"] == 7200
    # when they are rolled up
    await roll_up(api, api.ticks, int(api.now_s) - 6 * HOUR_S, int(api.now_s))
    assert await api.get(path, params=window) == from_ticks
    # and an incident that lasts goes on to now
    await api.rows("UPDATE incidents SET resolved_at = NULL, resolution = NULL")
    lasting = await api.get(path, params=window)
    assert (lasting["total_downtime_s"], lasting["number_of_incidents"]) == (9000, 1)
    assert lasting["availability"]["high"] == 0.0


async def test_without_redis_the_tick_store_says_what_is_rolled_up(api):
    await _regions(api, "europe")
    website = await _measured(api)
    await roll_up(api, api.ticks, int(api.now_s) - 6 * HOUR_S, int(api.now_s))
    path = f"/websites/{website['id']}/sla"
    before = await api.get(path)
    await api.redis.flushdb()
    assert await api.get(path) == before
    # its first turn comes within an interval, and its slot within the minute of that turn
    assert before["not_measured_s"] < 300 + MINUTE_S


async def test_what_was_before_the_schedule_is_known_is_not_measured(api):
    # given an upgrade an hour ago
    await _regions(api, "europe")
    website = await _measured(api)
    known_s = int(api.now_s) - HOUR_S
    await api.rows("UPDATE website_periods SET since = to_timestamp(%s)", known_s)
    sla = await api.get(f"/websites/{website['id']}/sla")
    assert 5 * HOUR_S <= sla["not_measured_s"] <= 5 * HOUR_S + 300 + 60
    assert sla["availability"]["measured"] == 1.0
    assert sla["excluded_s"] == 0


async def test_one_region_alone(api):
    await _regions(api, "asia", "europe")
    website = await _measured(api)
    both = await api.get(f"/websites/{website['id']}/sla")
    assert [r["region"] for r in both["regions"]] == ["asia", "europe"]
    assert [r["availability"]["measured"] for r in both["regions"]] == [None, 1.0]
    one = await api.get(f"/websites/{website['id']}/sla", params={"region": "asia"})
    assert [r["region"] for r in one["regions"]] == ["asia"]
    assert {k: v for k, v in one.items() if k != "regions"} == {
        k: v for k, v in both.items() if k != "regions"
    }
    problem = await api.get(f"/websites/{website['id']}/sla", params={"region": "mars"}, expect=400)
    assert problem["errors"][0]["field"] == "region"


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ({"from": "yesterday"}, "from", FORM),
        ({"to": "2026-02-30"}, "to", FORM),
        ({"tz": "Mars/Olympus"}, "tz",
         "must be a time zone of the IANA database, like Europe/Berlin or UTC"),
        ({"from": "2026-11-02", "to": "2026-11-01"}, "from", "must be before `to`"),
        ({"from": "2099-01-01"}, "from", "must be in the past"),
        ({"from": "2001-01-01"}, "from", "history is kept for 1100 days"),
        ({"to": "2001-01-01"}, "to", "history is kept for 1100 days"),
        ({"from": "2" * 41}, "from", "must be a string of at most 40 characters"),
        ({"form": "2026-11-02"}, "form", "is not a parameter of this route"),
    ],
)  # fmt: skip
async def test_a_bad_window_is_refused_by_the_name_of_what_is_wrong(api, query, field, message):
    for path in (f"/websites/{NOBODY}/sla", "/sla"):
        problem = await api.get(path, params=query, expect=400)
        assert problem["code"] == "invalid_query"
        (error,) = problem["errors"]
        assert error["field"] == field
        assert message in error["message"]


async def test_no_website_no_report(api):
    problem = await api.get(f"/websites/{NOBODY}/sla", expect=404)
    assert problem["code"] == "website_not_found"


async def test_whoever_may_read_may_read_reports(api):
    await _regions(api, "europe")
    website = await _measured(api)
    for path in ("/sla", f"/websites/{website['id']}/sla"):
        await api.request("GET", path, role=Role.READ, expect=200)
        await api.request("GET", path, role=None, expect=401)


async def _three(api):
    """Three websites: one was down for an hour of its six, one for none of its two, one is
    paused."""
    await _regions(api, "europe")
    first = await _measured(api, name="=shop", regions=["europe"])
    await _incident(api, first, 3 * HOUR_S, 2 * HOUR_S)
    second = await _measured(api, name="blog", age_s=2 * HOUR_S)
    third = await api.add_website(name="old", paused=True)
    return first, second, third


async def test_a_page_has_totals_that_are_made_of_seconds(api):
    first, second, third = await _three(api)
    page = await api.get("/sla")
    assert [i["website_id"] for i in page["items"]] == [w["id"] for w in (first, second, third)]
    for item in page["items"]:
        alone = await api.get(f"/websites/{item['website_id']}/sla", params=_window(page))
        sums = ("availability", "total_downtime_s", "not_measured_s", "excluded_s", "checks")
        assert {n: item[n] for n in sums} == {n: alone[n] for n in sums}
    totals = page["totals"]
    down_s = totals["total_downtime_s"]
    assert down_s == HOUR_S == totals["longest_incident_s"] == totals["average_incident_s"]
    up_s = 8 * HOUR_S - down_s - totals["not_measured_s"]
    assert totals["availability"]["measured"] == round(up_s / (up_s + down_s), 9)
    assert totals["mean_time_between_failures_s"] == up_s
    assert totals["checks"] == sum(i["checks"] for i in page["items"])
    assert totals["response_ms"]["max"] == 16.0
    assert page["next_cursor"] is None


def _window(page):
    return {"from": page["from"], "to": page["to"]}


async def test_pages_follow_each_other_in_the_window_of_the_first(api):
    websites = await _three(api)
    page = await api.get("/sla", params={"limit": 2})
    assert [i["website_id"] for i in page["items"]] == [w["id"] for w in websites[:2]]
    # when time goes on
    api.now_s += 100
    query = {"limit": 2, "cursor": page["next_cursor"]}
    rest = await api.get("/sla", params=query)
    assert [i["website_id"] for i in rest["items"]] == [websites[2]["id"]]
    assert (_window(rest), rest["next_cursor"]) == (_window(page), None)
    # then a cursor of other filters, or of another list, is none
    for path, wrong in (
        ("/sla", query | {"paused": "true"}),
        ("/sla", query | {"from": page["from"]}),
        ("/websites", query),
        ("/sla", {"cursor": (await api.get("/websites", params={"limit": 1}))["next_cursor"]}),
    ):
        problem = await api.get(path, params=wrong, expect=400)
        assert [e["field"] for e in problem["errors"]] == ["cursor"]


async def test_filters_are_those_of_websites(api):
    first, second, third = await _three(api)
    for query, expected in (
        ({"paused": "true"}, [third]),
        ({"q": "blog"}, [second]),
        ({"status": "paused"}, [third]),
        ({"region": "europe", "paused": "false"}, [first, second]),
        ({"q": "nowhere"}, []),
    ):
        page = await api.get("/sla", params=query)
        assert [i["website_id"] for i in page["items"]] == [w["id"] for w in expected]
    assert page["totals"]["availability"] == {"measured": None, "low": 0.0, "high": 1.0}
    problem = await api.get("/sla", params={"region": "mars"}, expect=400)
    assert problem["errors"][0]["field"] == "region"


async def _csv(api, query=None, headers=None):
    answer = await api.request("GET", "/sla", params=query, headers=headers, expect=200)
    assert answer.headers["content-type"] == "text/csv; header=present; charset=utf-8"
    assert 'filename="sla.csv"' in answer.headers["content-disposition"]
    return list(csv.DictReader(io.StringIO(answer.text)))


async def test_csv_has_all_websites_and_their_totals_last(api):
    await _three(api)
    page = await api.get("/sla")
    # given that they are read one at a time
    rows = await _csv(api, {"format": "csv", "limit": 1})
    assert [r["website_id"] for r in rows] == [*(i["website_id"] for i in page["items"]), ""]
    for row, item in zip(rows, [*page["items"], page["totals"]], strict=True):
        assert row["availability_measured"] == _cell(item["availability"]["measured"])
        for name in ("total_downtime_s", "not_measured_s", "checks", "average_incident_s"):
            assert row[name] == _cell(item[name])
        for name, value in item["response_ms"].items():
            if name not in ("from", "to"):
                assert row[f"response_ms_{name}"] == _cell(value)
    assert [r["name"] for r in rows] == ["'=shop", "blog", "old", "total"]
    assert (rows[-1]["from"], rows[-1]["to"], rows[-1]["formula"]) == (*_window(page).values(), "1")


def _cell(value):
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


@pytest.mark.parametrize(
    ("accept", "is_csv"),
    [
        ("text/csv", True), ("text/csv, application/json;q=0.5", True),
        ("application/json;q=0.1, text/csv;q=0.9", True), ("application/json, text/csv", False),
        ("*/*", False), ("", False), ("nonsense", False), (";;;,,,/", False),
        ("text/csv;q=abc", None), ("text/html", False),
    ],
)  # fmt: skip
async def test_the_format_is_what_accept_says_unless_the_query_does(api, accept, is_csv):
    headers = {"Accept": accept}
    answer = await api.request("GET", "/sla", headers=headers, expect=200)
    if is_csv is not None:
        assert answer.headers["content-type"].startswith("text/csv") is is_csv
    answer = await api.request("GET", "/sla?format=json", headers=headers, expect=200)
    assert answer.headers["content-type"] == "application/json"
    assert len(await _csv(api, {"format": "csv"}, headers)) == 1


async def test_the_store_that_does_not_answer_is_named(api):
    await _regions(api, "europe")
    website = await _measured(api)
    await api.lose_postgres()
    for path in ("/sla", "/sla?format=csv", f"/websites/{website['id']}/sla"):
        answer = await api.request("GET", path)
        assert answer.status_code in (401, 503)
