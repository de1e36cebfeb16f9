"""Periods follow every change of how a website is checked, in the transaction of the change."""

import asyncio
import json
import random
from uuid import UUID

import pytest
from psycopg import sql

from monitor.storage.postgres import schedules
from monitor.storage.postgres.pool import transaction
from support.bulk import ndjson, send, sites
from support.bulk_change import begin, bulk
from support.factories import numbered_urls, website_body

# What the websites are like now, and what their open periods say.
_DIFFERENT = """
    SELECT w.url, w.paused_at, w.check_frequency, p.check_frequency, p.regions
      FROM websites w LEFT JOIN website_periods p ON p.website_id = w.id AND p.until IS NULL
     WHERE p.website_id IS NULL
        OR p.check_frequency IS DISTINCT FROM
           CASE WHEN w.paused_at IS NULL THEN w.check_frequency END
        OR p.regions IS DISTINCT FROM
           CASE WHEN w.paused_at IS NULL AND NOT w.all_regions
                THEN ARRAY(SELECT region FROM website_regions r WHERE r.website_id = w.id
                            ORDER BY region) END
"""

# A period that does not begin where the one before it ends, or the website's creation.
_TORN = """
    SELECT website_id, before, since, until FROM (
        SELECT p.*, count(*) FILTER (WHERE until IS NULL) OVER (PARTITION BY website_id) AS open,
               coalesce(lag(until) OVER (PARTITION BY website_id ORDER BY since),
                        w.created_at) AS before
          FROM website_periods p JOIN websites w ON w.id = website_id) p
     WHERE since <> before OR open <> 1
"""


async def _assert_true(api):
    """Open periods are what the websites are, and there are no gaps before them."""
    assert await api.rows(_DIFFERENT) == []
    assert await api.rows(_TORN) == []
    regions = await api.rows("SELECT region FROM region_periods WHERE until IS NULL")
    assert sorted(regions) == sorted(await api.rows("SELECT name FROM regions"))


async def _periods(api, website):
    """[(check_frequency, regions)] of a website, the first period first."""
    return await api.rows(
        "SELECT check_frequency, regions FROM website_periods WHERE website_id = %s ORDER BY since",
        website["id"],
    )


async def test_a_new_website_begins_a_period_when_it_is_created(api):
    await api.add_regions("europe", "asia")
    everywhere = await api.add_website(check_frequency=60)
    named = await api.add_website(regions=["europe", "asia"])
    paused = await api.add_website(paused=True, regions=["europe"])
    # then
    assert await _periods(api, everywhere) == [(60, None)]
    assert await _periods(api, named) == [(180, ["asia", "europe"])]
    assert await _periods(api, paused) == [(None, None)]
    await _assert_true(api)


async def test_each_change_of_the_schedule_begins_a_period_and_no_other_change_does(api):
    await api.add_regions("europe", "asia")
    made = await api.add_website()
    path = f"/websites/{made['id']}"
    # when
    for change in (
        {"name": "new", "alert_emails": ["a@example.com"], "request_timeout": 20},
        {"check_frequency": 60},
        {"check_frequency": 60},
        {"paused": True},
        {"paused": True, "check_frequency": 90, "regions": ["asia"]},  # nothing is due anyway
        {"paused": False},
        {"regions": ["europe"], "name": "newer"},
        {"regions": None},
    ):
        await api.patch(path, change)
        await _assert_true(api)
    # then
    assert await _periods(api, made) == [
        (180, None), (60, None), (None, None), (90, ["asia"]), (90, ["europe"]), (90, None),
    ]  # fmt: skip


async def test_an_import_begins_periods_of_what_it_changes(api):
    await api.add_regions("europe", "asia")
    await send(api, sites(3, regions=["europe"]))
    await _assert_true(api)
    # when two of them are imported again, one as it was
    await send(api, sites(1, regions=["europe"]) + sites(1, first=1, check_frequency=60))
    # then
    await _assert_true(api)
    counts = await api.rows(
        "SELECT external_id, count(*) FROM websites JOIN website_periods ON id = website_id"
        " GROUP BY 1 ORDER BY 1"
    )
    assert counts == [("0", 1), ("1", 2), ("2", 1)]


@pytest.mark.parametrize(
    "change",
    [
        {"paused": True},
        {"paused": False},
        {"check_frequency": 90},
        {"regions": ["asia"]},
        {"regions": None},
        {"paused": False, "regions": ["asia"], "check_frequency": 90},
        {"name": "same"},
    ],
    ids=json.dumps,
)
async def test_a_bulk_change_begins_periods_of_what_it_changes(api, change):
    await begin(api)
    before = await api.rows("SELECT count(*) FROM website_periods")
    for _ in range(2):
        await bulk(api, "PATCH", "all=true&confirm=4", change, expect=200)
        await _assert_true(api)
    if "name" in change:
        assert await api.rows("SELECT count(*) FROM website_periods") == before


async def test_a_region_that_is_removed_ends_the_periods_that_name_it(api):
    await api.add_regions("europe", "asia")
    both = await api.add_website(regions=["europe", "asia"])
    only = await api.add_website(regions=["europe"])
    other = await api.add_website(regions=["asia"])
    paused = await api.add_website(regions=["europe"], paused=True)
    everywhere = await api.add_website()
    # when
    await api.delete("/regions/europe?force=true")
    # then what holds for all websites is one row
    assert await _periods(api, both) == [(180, ["asia", "europe"]), (180, ["asia"])]
    assert await _periods(api, only) == [(180, ["europe"]), (180, [])]
    assert await _periods(api, other) == [(180, ["asia"])]
    assert await _periods(api, paused) == [(None, None)]
    assert await _periods(api, everywhere) == [(180, None)]
    await _assert_true(api)
    # and one of the same name has a lifetime of its own
    await api.add_regions("europe")
    await _assert_true(api)
    names = await api.rows("SELECT region, until IS NULL FROM region_periods ORDER BY since")
    assert names == [("europe", False), ("asia", True), ("europe", True)]


async def test_a_deleted_website_leaves_no_period(api):
    sites = await begin(api)
    await api.delete(f"/websites/{sites[0]['id']}")
    await bulk(api, "DELETE", "all=true&confirm=3", expect=200)
    assert await api.rows("SELECT * FROM website_periods") == []


async def test_recording_again_changes_nothing(api):
    sites = await begin(api)
    await api.patch(f"/websites/{sites[0]['id']}", {"check_frequency": 60})
    before = await api.rows("SELECT * FROM website_periods ORDER BY website_id, since")
    # when
    async with transaction(api.pool) as connection:
        for _ in range(2):
            await schedules.record(connection, sql.SQL("SELECT id FROM websites"))
    # then
    assert await api.rows("SELECT * FROM website_periods ORDER BY website_id, since") == before


async def test_a_change_that_is_rolled_back_leaves_no_period(api):
    await api.add_regions("europe")
    made = await api.add_website()
    await api.request(
        "PATCH", f"/websites/{made['id']}", json={"paused": True, "regions": ["none"]}, expect=422
    )
    assert await _periods(api, made) == [(180, None)]


async def test_a_period_that_would_begin_before_the_last_one_follows_it(api):
    # given a period that began later than this transaction, by a clock that was set back since
    await api.add_regions("europe")
    made = await api.add_website()
    await api.rows("UPDATE websites SET created_at = created_at + interval '1 hour'")
    await api.rows("UPDATE website_periods SET since = since + interval '1 hour'")
    # when
    await api.patch(f"/websites/{made['id']}", {"check_frequency": 60})
    # then it is as if it had never been
    assert await _periods(api, made) == [(60, None)]
    await _assert_true(api)


async def test_a_website_of_no_known_period_begins_one_with_its_next_change(api):
    await api.add_regions("europe")
    await api.add_website()
    await api.rows("DELETE FROM website_periods")
    # when
    await bulk(api, "PATCH", "all=true&confirm=1", {"check_frequency": 60}, expect=200)
    # then
    assert await api.rows(_DIFFERENT) == []


@pytest.mark.parametrize("seed", range(4))
async def test_periods_stay_true_whoever_changes_what_at_the_same_time(api, seed):
    # given websites of two regions and of all, and many hands
    await api.add_regions("europe", "asia")
    made = [
        await api.add_website(url=f"https://{n}.example/", external_id=str(n), regions=regions)
        for n in range(4)
        for regions in [(["europe", "asia"], ["europe"], None, ["asia"])[n]]
    ]
    chance = random.Random(seed)

    async def change():
        for _ in range(8):
            fields = chance.choice([
                {"paused": True}, {"paused": False}, {"check_frequency": 60},
                {"check_frequency": 90}, {"regions": ["europe"]}, {"regions": None},
            ])  # fmt: skip
            website = chance.choice(made)
            how = chance.choice(["one", "many", "import"])
            if how == "one":
                path, body = f"/websites/{website['id']}", {"json": fields}
                answer = await api.request("PATCH", path, **body)
            elif how == "many":
                path, body = "/websites?all=true&confirm=4", {"json": fields}
                answer = await api.request("PATCH", path, **body)
            else:
                line = website_body(external_id=str(made.index(website))) | fields
                headers = {"Content-Type": "application/x-ndjson"}
                answer = await api.request(
                    "POST", "/websites/bulk", content=ndjson(line), headers=headers
                )
            assert answer.status_code < 500, answer.text

    async def remove_region():
        for _ in range(4):
            await api.request("DELETE", "/regions/europe?force=true")
            await asyncio.sleep(0)
            await api.request("POST", "/regions", json={"name": "europe"})

    # when
    await asyncio.gather(change(), change(), change(), remove_region())
    # then
    await _assert_true(api)


async def test_removing_a_region_and_its_websites_at_the_same_time_stops_neither(api):
    await api.add_regions("europe", "asia")
    for number in range(8):
        made = [await api.add_website(regions=["europe", "asia"]) for _ in range(6)]
        paths = [f"/websites/{website['id']}" for website in made]
        renamed = {"external_id": f"new {number}", "paused": True}
        # when
        answers = await asyncio.gather(
            api.request("DELETE", "/regions/europe?force=true"),
            *(api.request("DELETE", path) for path in paths[:5]),
            api.request("PATCH", paths[5], json=renamed),
        )
        # then
        assert {a.status_code for a in answers} == {200, 204}, [a.text for a in answers]
        await _assert_true(api)
        await api.add_regions("europe")


async def test_a_pause_that_waits_for_a_removed_region_is_a_period(api):
    """What a statement saw before it waited for a lock is not what it compares with."""
    await api.add_regions("europe", "asia")
    made = await api.add_website(regions=["europe", "asia"])
    async with transaction(api.pool) as connection:
        # given a region that is being removed
        await connection.execute("DELETE FROM website_regions WHERE region = 'europe'")
        await schedules.record(connection, sql.SQL("SELECT id FROM websites"))
        # when
        pausing = asyncio.create_task(api.patch(f"/websites/{made['id']}", {"paused": True}))
        await _until_it_waits(api)
        assert not pausing.done()
    await pausing
    # then
    assert await _periods(api, made) == [(180, ["asia", "europe"]), (180, ["asia"]), (None, None)]
    assert await api.rows(_DIFFERENT) == []


async def _until_it_waits(api):
    async with asyncio.timeout(10):
        while not await api.rows("SELECT 1 FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - Postgres tells nobody
            await asyncio.sleep(0.01)


async def test_only_what_overlaps_a_span_is_read(api):
    await api.add_regions("europe")
    made = await api.add_website()
    for seconds in (60, 90):
        await api.patch(f"/websites/{made['id']}", {"check_frequency": seconds})
    await api.rows(
        "UPDATE website_periods SET since = since - interval '2 days',"
        " until = until - interval '2 days' WHERE until IS NOT NULL"
    )
    async with transaction(api.pool) as connection:
        since_s = int(api.now_s) - 86_400
        (found,) = (await schedules.fetch(connection, [UUID(made["id"])], since_s)).values()
    assert [p.check_frequency for p in found.periods] == [90]
    assert [life.region for life in found.lifetimes] == ["europe"]


async def test_websites_stored_without_the_write_path_have_no_schedule(world):
    (website,) = urls = numbered_urls(1)
    await world.insert_websites(urls)
    async with transaction(world.pool) as connection:
        (found,) = (await schedules.fetch(connection, [website], 0)).values()
    assert found.periods == []
