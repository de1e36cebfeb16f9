"""Lists with `include=uptime`: what is shown of each website, and as of when."""

import pytest

from monitor.domain.series import DAY_S, HOUR_S
from monitor.domain.strip import HALF_HOUR_S
from monitor.domain.verdict import Verdict
from monitor.domain.windows import Window
from monitor.storage.postgres import figures, gaps
from monitor.storage.postgres.gaps import Counted
from support.api import NOWHERE, open_api, running

LISTS = ["/websites", "/monitor"]
FIGURES = {"uptime_24h", "uptime_30d", "uptime_90d", "p95_24h_ms", "strip_24h", "strip_90d"}


async def _add(api, *, age_s=100 * DAY_S, **fields):
    """A website that was checked every minute all that time."""
    website = await api.add_website(check_frequency=60, **fields)
    for table, column in (("websites", "created_at"), ("website_periods", "since")):
        own = "id" if table == "websites" else "website_id"
        await api.rows(
            f"UPDATE {table} SET {column} = to_timestamp(%s) WHERE {own} = %s",
            api.now_s - age_s, website["id"],
        )  # fmt: skip
    await api.rows("UPDATE region_periods SET since = to_timestamp(%s)", api.now_s - age_s)
    await api.hold(website, "europe", Verdict.UP)
    return website


async def _in_the_middle_of_a_half_hour(api):
    """So that letters do not depend on when the test runs; returns the Unix second."""
    api.now_s = int(api.now_s) // HALF_HOUR_S * HALF_HOUR_S + 900
    return int(api.now_s)


async def _list(api, path, **query):
    return await api.get(path, params={"include": "uptime", **query})


@pytest.mark.parametrize("path", LISTS)
async def test_every_website_has_its_figures(api, path):
    # given
    await api.add_regions("europe")
    now_s = await _in_the_middle_of_a_half_hour(api)
    up, down = await _add(api), await _add(api)
    await api.open_incident(down, now_s - 600)
    await api.open_incident(down, now_s - 5 * DAY_S, resolved=now_s - 5 * DAY_S + 3600)
    await api.rows(
        "UPDATE website_latencies SET p95_24h_ms = 12.3456 WHERE website_id = %s", up["id"]
    )
    async with api.pool.connection() as connection:
        await figures.note_as_of(connection, now_s // HOUR_S * HOUR_S)
    # when
    page = await _list(api, path)
    # then
    rows = {w["id"]: w for w in page["items"]}
    shown = {i: {name: row[name] for name in FIGURES} for i, row in rows.items()}
    assert shown[up["id"]] == {
        "uptime_24h": 1.0, "uptime_30d": 1.0, "uptime_90d": 1.0, "p95_24h_ms": 12.346,
        "strip_24h": "u" * 48, "strip_90d": "u" * 90,
    }  # fmt: skip
    assert shown[down["id"]] == {
        "uptime_24h": round(1 - 600 / DAY_S, 6),
        "uptime_30d": round(1 - 4200 / (30 * DAY_S), 6),
        "uptime_90d": round(1 - 4200 / (90 * DAY_S), 6),
        "p95_24h_ms": None,
        "strip_24h": "u" * 47 + "p",
        "strip_90d": shown[down["id"]]["strip_90d"],
    }
    assert shown[down["id"]]["strip_90d"].strip("u") in ("puuuup", "ppuuup", "puuupp")
    assert page["figures_at"].endswith(":00:00Z")


@pytest.mark.parametrize("path", LISTS)
async def test_without_it_nothing_of_it_is_there(api, path):
    await api.add_regions("europe")
    await _add(api)
    page = await api.get(path)
    assert not FIGURES & page["items"][0].keys()
    assert "figures_at" not in page
    assert not FIGURES & (await api.get(f"/websites/{page['items'][0]['id']}")).keys()


async def test_the_answer_says_as_of_when_it_is_sorted(api):
    await api.add_regions("europe")
    assert (await api.get("/monitor", params={"sort": "uptime_30d"}))["figures_at"] is None
    async with api.pool.connection() as connection:
        await figures.note_as_of(connection, 1_790_000_000 // HOUR_S * HOUR_S)
    for query in ({"sort": "uptime_30d"}, {"sort": "p95_24h_ms"}, {"include": "uptime"}):
        page = await api.get("/websites", params=query)
        assert page["figures_at"] == "2026-09-21T14:00:00Z", query
    for sort in ("name", "changed", "status"):
        assert "figures_at" not in await api.get("/websites", params={"sort": sort})


async def test_gaps_of_every_region_are_not_measured(api):
    # given
    await api.add_regions("asia", "europe")
    now_s = await _in_the_middle_of_a_half_hour(api)
    website = await _add(api)
    await api.hold(website, "asia", Verdict.UP)
    this_s = now_s - 900

    async def lose(region, begin_s, end_s):
        gap = Window(this_s - begin_s, this_s - end_s)
        async with api.pool.connection() as connection:
            await gaps.store(connection, [Counted(website["id"], region, gap, [gap])])

    # when
    await lose("asia", 10 * HOUR_S, 4 * HOUR_S)
    assert (await _list(api, "/monitor"))["items"][0]["strip_24h"] == "u" * 48
    await lose("europe", 5 * HOUR_S, 2 * HOUR_S)
    # then
    (row,) = (await _list(api, "/monitor"))["items"]
    assert row["strip_24h"] == "u" * 37 + "nn" + "u" * 9
    assert row["uptime_24h"] == 1.0


async def test_pauses_show_as_they_were(api):
    await api.add_regions("europe")
    await _in_the_middle_of_a_half_hour(api)
    website = await _add(api)
    await api.patch(f"/websites/{website['id']}", {"paused": True})
    await api.rows(
        "UPDATE website_periods SET until = until - interval '3 hours' WHERE until IS NOT NULL"
    )
    await api.rows(
        "UPDATE website_periods SET since = since - interval '3 hours' WHERE until IS NULL"
    )
    (row,) = (await _list(api, "/monitor"))["items"]
    assert row["strip_24h"].lstrip("u") in ("zzzzzz", "zzzzzzz")


async def test_a_region_that_stopped_shows_within_a_minute(api):
    await api.add_regions("europe")
    now_s = await _in_the_middle_of_a_half_hour(api)
    website = await _add(api)
    async with api.pool.connection() as connection:
        await figures.note_as_of(connection, now_s // HOUR_S * HOUR_S - HOUR_S)
    await api.hold(website, "europe", Verdict.UP, age_s=850)
    (row,) = (await _list(api, "/monitor"))["items"]
    assert row["strip_24h"] == "u" * 47 + "n"


async def test_pages_and_filters_hold(api):
    await api.add_regions("europe")
    websites = [await _add(api, name=name) for name in "cab"]
    first = await _list(api, "/monitor", sort="name", limit=2)
    second = await _list(api, "/monitor", sort="name", limit=2, cursor=first["next_cursor"])
    assert [w["name"] for page in (first, second) for w in page["items"]] == ["a", "b", "c"]
    assert all(w.keys() >= FIGURES for page in (first, second) for w in page["items"])
    # and the cursor of a list without figures goes on with them, and back
    plain = await api.get("/monitor", params={"limit": 2})
    rest = await _list(api, "/monitor", cursor=plain["next_cursor"])
    assert [w["id"] for w in rest["items"]] == [websites[2]["id"]]


async def test_without_websites_there_is_nothing_to_show(api):
    assert (await _list(api, "/websites"))["items"] == []


@pytest.mark.parametrize("path", LISTS)
async def test_an_unknown_inclusion_is_named_with_what_there_is(api, path):
    answer = await api.request("GET", path, params={"include": "sla"}, expect=400)
    assert answer.json()["errors"] == [{"field": "include", "message": "must be one of uptime"}]


async def test_without_redis_the_figures_of_websites_are_still_there(postgres_server, redis_url):
    async with open_api(postgres_server, redis_url) as api:
        await api.add_regions("europe")
        await _in_the_middle_of_a_half_hour(api)
        await _add(api)
    async with running(postgres_server.url("api"), NOWHERE) as api:
        await _in_the_middle_of_a_half_hour(api)
        (row,) = (await _list(api, "/websites"))["items"]
        assert (row["status"], row["strip_24h"]) == ("unknown", "u" * 48)
