"""An import that broke off is sent again with its key: nothing is lost, nothing is done twice."""

import asyncio

import pytest

from monitor.domain.errors import BodyStalled, Busy
from monitor.services.bulk import imports as bulk_import
from monitor.services.bulk import views as bulk_views
from support.bulk import break_off, results, send, sites, the_import

ANONYMOUS = {"external_id": None}
"""Websites that a second run would make again, if it did."""


async def _count(api):
    ((count,),) = await api.rows("SELECT count(*) FROM websites")
    return count


async def test_a_finished_import_is_answered_again_and_not_done_again(api):
    # given
    await api.add_regions("europe")
    first = await send(api, sites(1200, **ANONYMOUS), key="k")
    await api.take_changes()
    # when
    again = await send(api, sites(1200, **ANONYMOUS), key="k")
    # then
    assert again == first
    assert await _count(api) == 1200
    assert await api.take_changes() == []
    # and without a key it is another import
    assert (await send(api, sites(1200, **ANONYMOUS)))["created"] == 1200


@pytest.mark.parametrize("cut", [0, 1, 100, 60_000, 150_000, 290_000])
async def test_interrupted_import_resumes_where_it_stopped(api, cut):
    # given a caller that went away in the middle
    await api.add_regions("europe")
    body = sites(5000, **ANONYMOUS)
    answered = await break_off(api, body[: cut // 2], body[cut // 2 : cut], key="k")
    assert answered[0]["status"] == 400
    stopped = await the_import(api, "k")
    assert (stopped["state"], stopped["finished_at"]) == ("interrupted", None)
    assert stopped["created"] == stopped["lines"] == await _count(api)
    assert len(await results(api, stopped)) == stopped["lines"]
    assert stopped["lines"] >= body[:cut].count(b"\n") // 1000 * 1000 - 1000
    # when
    done = await send(api, body, key="k")
    # then
    assert done["id"] == stopped["id"]
    assert (done["state"], done["created"], done["lines"]) == ("finished", 5000, 5000)
    assert await _count(api) == 5000
    assert [r["line"] for r in await results(api, done)] == list(range(1, 5001))
    assert len(await api.take_changes()) == 5000 + 1  # the region's own


async def test_resumed_import_skips_stored_lines(api):
    # given a chunk that is stored, and a website of it that was changed since
    await api.add_regions("europe")
    await break_off(api, sites(3000), key="k")
    stored = (await the_import(api, "k"))["lines"]
    assert stored >= 1000
    await api.rows("UPDATE websites SET url = 'https://b.example/' WHERE external_id = '5'")
    # when
    done = await send(api, sites(3000), key="k")
    # then
    assert (done["created"], done["updated"], done["unchanged"]) == (3000, 0, 0)
    url = await api.rows("SELECT url FROM websites WHERE external_id = '5'")
    assert url == [("https://b.example/",)]


async def test_another_body_under_the_same_key_is_refused(api):
    # given
    await api.add_regions("europe")
    await send(api, sites(1500), key="whole")
    await break_off(api, sites(3500), key="part")
    before = await api.get("/websites/bulk")
    stored = await _count(api)
    # then
    other = [
        ("whole", sites(1501)),
        ("whole", sites(1499)),
        ("whole", sites(1500, name="x")),
        ("whole", b""),
        ("part", sites(500)),
        ("part", sites(3500, name="x")),
    ]
    for key, body in other:
        refused = await send(api, body, key=key, expect=422)
        assert refused["code"] == "idempotency_key_reused", (key, len(body))
    refused = await send(api, sites(1500), key="whole", expect=422, dry_run="true")
    assert refused["code"] == "idempotency_key_reused"
    assert await api.get("/websites/bulk") == before
    assert await _count(api) == stored


async def test_concurrent_requests_with_one_idempotency_key_are_rejected(api):
    # given an import under way
    await api.add_regions("europe")
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def body():
        yield sites(10)
        begun.set()
        await go_on.wait()
        yield sites(10, 10)

    first = asyncio.create_task(send(api, body(), key="k"))
    await begun.wait()
    # then
    assert (await the_import(api, "k"))["state"] == "running"
    refused = await send(api, sites(20), key="k", expect=409)
    assert refused["code"] == "import_running"
    assert (await send(api, sites(20, 100), key="other"))["created"] == 20
    # when it ends
    go_on.set()
    done = await first
    assert (done["state"], done["created"]) == ("finished", 20)
    assert await send(api, sites(20), key="k") == done


async def test_imports_of_the_same_websites_beside_each_other_make_each_once(api):
    await api.add_regions("europe")
    done = await asyncio.gather(*(send(api, sites(3000)) for _ in range(3)))
    assert await _count(api) == 3000
    assert sum(d["created"] for d in done) == 3000
    assert sum(d["unchanged"] for d in done) == 6000


async def test_no_more_than_three_imports_at_once(api):
    # given
    await api.add_regions("europe")
    importer = api.importer()
    all_there, go_on = asyncio.Barrier(4), asyncio.Event()

    async def body():
        await all_there.wait()
        await go_on.wait()
        yield sites(1)

    def start(blocks):
        return asyncio.create_task(bulk_import.run(importer, blocks, key=None, dry_run=False))

    running = [start(body()) for _ in range(3)]
    await all_there.wait()
    # then
    with pytest.raises(Busy):
        await start(_one_block())
    go_on.set()
    assert [(await one).counts.lines for one in running] == [1, 1, 1]
    await start(_one_block())


async def test_stalled_upload_is_timed_out(api):
    # given
    await api.add_regions("europe")

    async def body():
        yield sites(1500)
        await asyncio.Event().wait()

    importer = api.importer(stall_s=0.2)
    # when
    with pytest.raises(BodyStalled):
        await bulk_import.run(importer, body(), key="k", dry_run=False)
    # then the chunk that was whole is kept
    stopped = await the_import(api, "k")
    assert (stopped["state"], stopped["lines"]) == ("interrupted", 1000)
    assert (await send(api, sites(1500), key="k"))["created"] == 1500


async def test_an_import_is_forgotten_after_seven_days(api):
    # given
    await api.add_regions("europe")
    old = await send(api, sites(1), key="old")
    await send(api, sites(1), key="new")
    for key, age in (("old", "7 days 1 minute"), ("new", "6 days 23 hours")):
        await api.rows(
            "UPDATE bulk_imports SET moved_at = now() - %s::interval WHERE idempotency_key = %s",
            age,
            key,
        )
    # when
    assert await bulk_views.expire(api.pool) == 1
    # then
    await api.get(f"/websites/bulk/{old['id']}", expect=404)
    assert await api.rows("SELECT count(*) FROM bulk_import_chunks") == [(1,)]
    assert (await send(api, sites(1), key="old"))["unchanged"] == 1


async def test_resumed_import_does_not_expire_while_running(api):
    # given an interrupted import of last week
    await api.add_regions("europe")
    await break_off(api, sites(3500), key="k")
    await api.rows("UPDATE bulk_imports SET moved_at = now() - interval '8 days'")
    expired = []

    async def body():
        expired.append(await bulk_views.expire(api.pool))
        yield sites(3500)

    # when it is to be forgotten while it goes on
    done = await send(api, body(), key="k")
    # then
    assert expired == [0]
    assert done["created"] == 3500


async def _one_block():
    yield sites(1)
