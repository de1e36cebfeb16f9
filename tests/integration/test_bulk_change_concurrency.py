"""Removing every website that matches; two changes at once; changes of very many."""

import asyncio

import psycopg
import pytest

from support.bulk_change import begin, bulk, down
from support.factories import insert_websites, numbered_urls


async def test_what_is_removed_takes_its_history_along(api):
    sites = await begin(api)
    for site in sites[:2]:
        await down(api, site, "europe")
    await api.open_incident(sites[2], api.now_s - 60)
    # when
    await bulk(api, "DELETE", "q=shop&confirm=2", expect=200)
    # then
    assert await api.take_changes() == [(s["id"], False) for s in sites[:2]]
    assert [m.actor for m in api.sent] == ["sync_changes"]
    for table in ("website_regions", "verdicts", "incidents"):
        rows = await api.rows(f"SELECT website_id::text FROM {table}")
        assert {i for (i,) in rows} <= {sites[2]["id"], sites[3]["id"]}, table
    assert await api.rows("SELECT count(*) FROM incidents") == [(1,)]


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_concurrent_change_makes_the_confirmed_count_stale(api, method):
    await begin(api)
    # when
    answers = await asyncio.gather(
        *(
            api.request(method, "/websites?paused=false&confirm=3", json={"paused": True})
            for _ in range(2)
        )
    )
    # then
    assert sorted(a.status_code for a in answers) == [200, 409]
    (late,) = [a.json() for a in answers if a.status_code == 409]
    assert late["matched"] == 0
    (done,) = [a.json() for a in answers if a.status_code == 200]
    assert done == {"matched": 3, "changed": 3}
    assert len(await api.take_changes()) == 3


async def test_a_website_that_leaves_the_region_meanwhile_is_not_counted(api, postgres_server):
    sites = await begin(api)
    with psycopg.connect(postgres_server.url("api")) as other:
        # given a change under way that takes a website out of the region
        other.execute("UPDATE websites SET updated_at = now() WHERE id = %s", [sites[0]["id"]])
        other.execute(
            "UPDATE website_regions SET region = 'asia' WHERE website_id = %s",
            [sites[0]["id"]],
        )
        # when
        query = "/websites?region=europe&confirm=3"
        asking = asyncio.create_task(api.request("PATCH", query, json={"paused": True}))
        while not await _waits(api):
            assert not asking.done(), asking.result().text
            await asyncio.sleep(0.01)  # a server tells of its locks only by being asked
        other.commit()
    # then
    answer = await asking
    assert (answer.status_code, answer.json()["matched"]) == (409, 2)
    assert await api.take_changes() == []


async def _waits(api):
    return (await api.rows("SELECT count(*) FROM pg_locks WHERE NOT granted"))[0][0]


async def test_many_are_changed_with_a_few_statements(api):
    # given
    await api.add_regions("europe")
    async with api.pool.connection() as connection:
        await insert_websites(connection, numbered_urls(12_000, "http://a.example/"))
    query, count = "all=true&confirm=12000", {"matched": 12000, "changed": 12000}
    # when the names follow the URLs, which is worked out a page at a time
    done = await bulk(api, "PATCH", query, {"url": "http://b.example/"}, expect=200)
    # then
    assert done == count
    assert await api.rows("SELECT DISTINCT name, url FROM websites") == [
        ("b.example", "http://b.example/")
    ]
    assert await bulk(api, "DELETE", query, expect=200) == count
    assert await api.rows("SELECT count(*) FROM websites") == [(0,)]
