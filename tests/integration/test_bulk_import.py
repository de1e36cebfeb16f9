"""POST /websites/bulk: many websites made and changed, in the order of their lines."""

import json

from support.bulk import ndjson, results, send, sites, the_import

_COUNTS = ("lines", "created", "updated", "unchanged", "failed")


def _counts(done):
    return tuple(done[name] for name in _COUNTS)


async def _begin(api):
    await api.add_regions("europe", "asia")
    await api.take_changes()
    api.sent.clear()


async def test_a_line_makes_the_website_that_a_post_makes(api):
    # given
    await _begin(api)
    one = {"url": "https://example.com/health/"}
    every = {
        "url": "https://example.com/ä", "name": "A; name", "regions": ["europe"],
        "check_frequency": 60, "request_timeout": 59, "http_method": "post",
        "request_headers": {"X": 'a"b\\c', "Accept": "*/*"}, "request_body": "mü\tsli\n\\N",
        "expected_status_codes": [301, "200-204", 205], "follow_redirects": False,
        "verify_ssl": False, "tls_min_version": "1.1",
        "paused": True, "alert_emails": ["a@b.example", "c@localhost"],
    }  # fmt: skip
    posted = [await api.post("/websites", one), await api.post("/websites", every)]
    # when
    done = await send(api, ndjson(one, every))
    # then
    assert _counts(done) == (2, 2, 0, 0, 0)
    assert (done["state"], done["dry_run"], done["failures"]) == ("finished", False, [])
    assert done["idempotency_key"] is None
    assert done["finished_at"] >= done["created_at"]
    for outcome, wanted in zip(await results(api, done), posted, strict=True):
        made = await api.get(f"/websites/{outcome['id']}")
        own = {"id", "created_at", "updated_at"}
        assert {k: v for k, v in made.items() if k not in own} == {
            k: v for k, v in wanted.items() if k not in own
        }


async def test_imported_websites_wait_for_their_slot_and_redis_is_told(api):
    # given
    await _begin(api)
    # when
    done = await send(api, sites(2500))
    # then
    made = {r["id"] for r in await results(api, done)}
    changes = await api.take_changes()
    assert len(made) == len(changes) == 2500
    assert {website for website, _ in changes} == made
    assert not any(check_now for _, check_now in changes)
    assert {(m.queue, m.actor) for m in api.sent} == {("sync", "sync_changes")}
    assert 1 <= len(api.sent) < 30


async def test_an_external_id_that_exists_is_changed_and_the_rest_stays(api):
    # given
    await _begin(api)
    old = await api.add_website(external_id="a", check_frequency=600, name="mine")
    await api.add_website(external_id="b")
    await api.take_changes()
    # when
    done = await send(
        api,
        ndjson(
            {"url": "https://new.example/", "external_id": "a"},
            {"url": "https://example.com/", "external_id": "b"},
            {"url": "https://example.com/", "external_id": "c"},
        ),
    )
    # then
    assert _counts(done) == (3, 1, 1, 1, 0)
    now = await api.get(f"/websites/{old['id']}")
    fields = (now["url"], now["name"], now["check_frequency"])
    assert fields == ("https://new.example/", "mine", 600)
    assert now["updated_at"] > old["updated_at"]
    assert [r["result"] for r in await results(api, done)] == [
        "updated", "unchanged", "created",
    ]  # fmt: skip
    changed = {w for w, _ in await api.take_changes()}
    assert len(changed) == 2
    assert old["id"] in changed


async def test_the_later_line_wins_in_one_chunk_and_over_chunks(api):
    # given
    await _begin(api)
    first = {"url": "https://a.example/1", "external_id": "0"}
    # when
    done = await send(api, sites(1) + ndjson(first) + sites(1500, 1) + sites(1))
    # then
    assert _counts(done) == (1503, 1501, 2, 0, 0)
    ((url, found),) = await api.rows(
        "SELECT max(url), count(*) FROM websites WHERE external_id = '0'"
    )
    assert (url, found) == ("https://a.example/0", 1)


async def test_empty_lines_are_counted_and_skipped(api):
    await _begin(api)
    body = b"\n \r\n" + sites(1) + b"\n" + ndjson({"url": 1}) + b'{"url": "http://a/"}'
    done = await send(api, body)
    assert _counts(done) == (6, 2, 0, 0, 1)
    assert [r["line"] for r in await results(api, done)] == [3, 5, 6]
    assert [f["line"] for f in done["failures"]] == [5]
    assert _counts(await send(api, b"")) == (0, 0, 0, 0, 0)


async def test_external_ids_change_hands_within_one_import(api):
    # given
    await _begin(api)
    a = await api.add_website(external_id="a")
    b = await api.add_website(external_id="b")
    url = "https://example.com/"
    # when
    done = await send(
        api,
        ndjson(
            {"id": a["id"], "url": url, "external_id": "b"},
            {"id": a["id"], "url": url, "external_id": "x"},
            {"id": b["id"], "url": url, "external_id": "a"},
            {"id": a["id"], "url": url, "external_id": "b"},
        ),
    )
    # then
    assert [r["result"] for r in await results(api, done)] == [
        "failed", "updated", "updated", "updated",
    ]  # fmt: skip
    assert done["failures"][0]["code"] == "external_id_taken"
    owners = await api.rows("SELECT id::text, external_id FROM websites")
    assert dict(owners) == {a["id"]: "b", b["id"]: "a"}


async def test_pausing_and_losing_regions_do_what_they_do_elsewhere(api):
    # given two websites that are down
    await _begin(api)
    held = [await api.add_website(external_id=n) for n in ("pause", "move")]
    for website in held:
        await api.open_incident(website, api.now_s - 60)
        for region in ("asia", "europe"):
            await api.rows(
                "INSERT INTO verdicts (website_id, region, verdict, at, slot, reason)"
                " VALUES (%s, %s, 'down', now(), now(), 'timeout')", website["id"], region,
            )  # fmt: skip
    await api.take_changes()
    # when
    url = "https://example.com/"
    pause = {"url": url, "external_id": "pause", "paused": True}
    move = {"url": url, "external_id": "move", "regions": ["asia"]}
    await send(api, ndjson(pause, move))
    # then
    rows = await api.rows("SELECT website_id::text, region FROM verdicts")
    assert rows == [(held[1]["id"], "asia")]
    ended = await api.rows("SELECT website_id::text, resolution FROM incidents ORDER BY 2")
    assert ended == [(held[0]["id"], "paused"), (held[1]["id"], None)]
    assert await api.rows("SELECT DISTINCT forget FROM changes") == [(True,)]
    assert (await api.get(f"/websites/{held[1]['id']}"))["regions"] == ["asia"]


async def test_imports_are_listed_newest_first_in_pages(api):
    await _begin(api)
    done = []
    for n in range(3):
        api.now_s += 1
        done.append(await send(api, sites(1), key=f"key {n}"))
    page = await api.get("/websites/bulk", params={"limit": 2})
    assert page["items"] == [done[2], done[1]]
    rest = await api.get("/websites/bulk", params={"cursor": page["next_cursor"], "limit": 2})
    assert rest == {"items": [done[0]], "next_cursor": None}
    assert await the_import(api, "key 1") == done[1]
    assert await api.get(f"/websites/bulk/{done[1]['id']}") == done[1]
    none = await api.get("/websites/bulk", params={"idempotency_key": "other"})
    assert none["items"] == []
    await api.get("/websites/bulk", params={"cursor": "Zm9v"}, expect=400)
    for path in ("", "/results"):
        nowhere = "/websites/bulk/0197a000-0000-7000-8000-00000000000a"
        assert (await api.get(nowhere + path, expect=404))["code"] == "import_not_found"


async def test_many_blocks_or_one_make_no_difference(api):
    await _begin(api)
    body = sites(30, name="ü")

    async def dribble():
        for n in range(len(body)):
            yield body[n : n + 1]

    whole = await send(api, body, key="k")
    assert await send(api, dribble(), key="k") == whole
    names = await api.rows("SELECT DISTINCT name FROM websites")
    assert json.dumps(names) == json.dumps([["ü"]])
