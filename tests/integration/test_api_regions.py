"""Regions over the API."""

import asyncio

from monitor.storage.redis.regions import RegionReport, Regions
from support.api import NOWHERE, running


async def test_a_region_is_made_read_changed_and_removed(api):
    # when
    answer = await api.request("POST", "/regions", json={"name": "europe"}, expect=201)
    # then
    made = answer.json()
    assert answer.headers["location"] == "/regions/europe"
    assert made.keys() == {
        "name", "description", "created_at", "updated_at", "last_seen_at", "network",
    }  # fmt: skip
    assert (made["description"], made["last_seen_at"], made["network"]) == ("", None, None)
    assert await api.get("/regions/europe") == made
    # when
    changed = await api.patch("/regions/europe", {"description": "Frankfurt"})
    # then
    assert changed == made | {
        "description": "Frankfurt",
        "updated_at": changed["updated_at"],
    }
    assert changed["updated_at"] > made["updated_at"]
    assert await api.patch("/regions/europe", {}) == changed
    # when
    await api.delete("/regions/europe")
    # then
    assert (await api.get("/regions/europe", expect=404))["code"] == "region_not_found"
    await api.delete("/regions/europe", expect=404)


async def test_a_new_and_a_removed_region_ask_for_a_full_sync(api):
    await api.add_regions("europe")
    assert await api.take_changes() == [(None, False)]
    await api.patch("/regions/europe", {"description": "x"})
    assert await api.take_changes() == []
    api.sent.clear()
    await api.delete("/regions/europe")
    assert await api.take_changes() == [(None, False)]
    assert [m.actor for m in api.sent] == ["sync_changes"]


async def test_concurrent_creates_of_one_region_name_yield_one(api):
    answers = await asyncio.gather(
        *(api.request("POST", "/regions", json={"name": "europe"}) for _ in range(5))
    )
    assert sorted(a.status_code for a in answers) == [201, 409, 409, 409, 409]
    refused = next(a for a in answers if a.status_code == 409).json()
    assert (refused["code"], refused["errors"][0]["field"]) == ("region_exists", "name")
    assert await api.take_changes() == [(None, False)]


async def test_region_in_use_is_deleted_only_with_force(api):
    # given a website of all regions, one of both by name, one of europe alone
    await api.add_regions("europe", "asia")
    everywhere = await api.add_website()
    await api.take_changes()
    refused = await api.request("DELETE", "/regions/europe", expect=409)
    assert refused.json()["code"] == "region_in_use"
    await api.delete(f"/websites/{everywhere['id']}")
    both = await api.add_website(regions=["europe", "asia"])
    only = await api.add_website(regions=["europe"])
    await api.rows(
        "INSERT INTO verdicts (website_id, region, verdict, at, slot, reason)"
        " VALUES (%s, 'europe', 'down', now(), now(), 'http_status')",
        both["id"],
    )
    await api.take_changes()
    # then
    await api.request("DELETE", "/regions/europe", expect=409)
    await api.request("DELETE", "/regions/europe?force=false", expect=409)
    assert await api.take_changes() == []
    # when
    await api.request("DELETE", "/regions/europe?force=true", expect=204)
    # then
    assert (await api.get(f"/websites/{both['id']}"))["regions"] == ["asia"]
    assert (await api.get(f"/websites/{only['id']}"))["regions"] == []
    assert await api.rows("SELECT * FROM verdicts") == []
    assert await api.take_changes() == [(None, False)]


async def test_the_downtime_of_a_removed_region_says_so(api):
    await api.add_regions("europe", "asia")
    site = await api.add_website(regions=["europe", "asia"])
    await api.rows(
        "INSERT INTO verdicts (website_id, region, verdict, at, slot, reason)"
        " VALUES (%s, 'europe', 'down', now(), now(), 'http_status')", site["id"],
    )  # fmt: skip
    await api.open_incident(site, api.now_s - 60, regions=["europe"])
    # when
    await api.delete("/regions/europe?force=true")
    # then
    downtime = await api.get(f"/monitor/{site['id']}/last_downtime")
    assert downtime["resolution"] == "region_removed"
    assert downtime["resolved_at"] is not None


async def test_a_region_given_away_while_it_is_removed_is_one_or_the_other(api):
    await api.add_regions("europe", "asia")
    for _ in range(5):
        # when
        made, removed = await asyncio.gather(
            api.request("POST", "/websites", json={"url": "http://a/", "regions": ["asia"]}),
            api.request("DELETE", "/regions/asia"),
        )
        # then
        assert (made.status_code, removed.status_code) in {(201, 409), (422, 204)}
        if removed.status_code == 204:
            await api.add_regions("asia")
        else:
            await api.delete(f"/websites/{made.json()['id']}")


async def test_regions_are_paged_by_name(api):
    await api.add_regions("e", "b", "d", "a", "c")
    first = await api.get("/regions", params={"limit": 2})
    then = await api.get("/regions", params={"limit": 3, "cursor": first["next_cursor"]})
    assert [r["name"] for r in first["items"] + then["items"]] == list("abcde")
    assert then["next_cursor"] is None


async def test_a_region_shows_what_it_said_of_itself(api):
    await api.add_regions("europe", "asia")
    await Regions(api.redis).report("europe", RegionReport(1_790_000_000, "lost"), {})
    seen = await api.get("/regions/europe")
    assert (seen["last_seen_at"], seen["network"]) == ("2026-09-21T14:13:20Z", "lost")
    by_name = {r["name"]: r for r in (await api.get("/regions"))["items"]}
    assert by_name["europe"] == seen
    assert by_name["asia"]["last_seen_at"] is None


async def test_without_redis_regions_are_still_listed(database_url):
    async with running(database_url, NOWHERE) as api:
        await api.add_regions("europe")
        (region,) = (await api.get("/regions"))["items"]
        assert (region["name"], region["last_seen_at"]) == ("europe", None)
