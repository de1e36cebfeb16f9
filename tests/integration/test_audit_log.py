"""The audit log: no change without its entry, no entry without its change."""

import asyncio
import datetime as dt
import time
from uuid import UUID, uuid4

import psycopg
import pytest

from monitor.domain.access import Role
from monitor.services.access import audit
from monitor.services.secrets.vault import Vault, new_key
from monitor.services.websites import manage as websites
from monitor.storage.postgres.pool import make_pool
from support.audited import given, writing_routes
from support.bulk import ndjson, send
from support.secretive import SECRETS, WORD
from support.served_api import served


async def _entries(api, **query):
    return (await api.get("/audit", params=query))["items"]


async def test_every_route_that_writes_leaves_one_entry_of_who_did_what(api):
    writing = await writing_routes(api)
    assert len(writing) >= 12
    admin = api.keys[Role.ADMIN].split("_")[1]
    for method, path in writing:
        recipes = await given(api)
        real, arguments, action, about = recipes.of(method, path)
        # when
        answer = await api.request(method.upper(), real, **arguments)
        assert answer.status_code in {200, 201, 204}, answer.text
        # then
        (entry,) = await _entries(api)
        assert (entry["action"], entry["actor"]) == (action, "tests admin"), path
        assert UUID(entry["key_id"]) == UUID(admin)
        assert entry["address"] == "127.0.0.1"
        assert entry["object_id"] == (answer.json()["id"] if about == "new" else about)
        assert abs(dt.datetime.fromisoformat(entry["at"]).timestamp() - api.now_s) < 600
        assert WORD not in str(entry)


async def test_rejected_requests_leave_no_entry(api):
    await given(api)
    (website,) = (await api.get("/websites"))["items"]
    path = f"/websites/{website['id']}"
    refused = [
        ("POST", "/websites", {"url": "x"}, 422),
        ("POST", "/regions", {"name": "europe"}, 409),
        ("PATCH", f"/websites/{uuid4()}", {"name": "n"}, 404),
        ("PATCH", "/websites?all=true", {"name": "n"}, 409),
        ("DELETE", f"/keys/{uuid4()}", None, 404),
        ("DELETE", "/regions/europe", None, 409),
        # what is so already
        ("PATCH", path, {"name": website["name"]}, 200),
        ("PATCH", "/websites?all=true&confirm=1", {"name": website["name"]}, 200),
        ("PATCH", "/regions/europe", {"description": ""}, 200),
    ]
    for method, where, body, status in refused:
        await api.request(method, where, json=body, expect=status)
    await api.client(Role.READ).delete(path)
    await send(api, ndjson({"url": "nonsense"}, {"id": website["id"], "url": website["url"]}))
    assert await _entries(api) == []


async def test_a_change_is_told_field_by_field_and_secrets_as_a_mask(api):
    await given(api)
    made = await api.add_website(url="https://a.example/", name="a", **SECRETS)
    path = f"/websites/{made['id']}"
    await api.patch(path, {"name": "b", "request_body": f"{WORD}-9", "check_frequency": 180})
    await api.patch(path, {"expected_status_codes": [204]})
    await api.delete(path)
    gone, codes, changed, created = await _entries(api, object=made["id"])
    assert changed["changes"] == {
        "name": {"old": "a", "new": "b"},
        "request_body": {"old": "********", "new": "********"},
    }
    assert codes["changes"] == {"expected_status_codes": {"old": ["200-399"], "new": [204]}}
    assert created["changes"]["request_headers"]["new"]["Authorization"] == "********"
    assert created["changes"]["url"] == {"new": "https://a.example/"}
    assert gone["changes"]["url"] == {"old": "https://a.example/"}
    assert WORD not in str([gone, codes, changed, created])


async def test_many_at_once_are_one_entry_with_counts(api):
    await given(api)
    # given an import of three chunks, the first without a change
    bad = ndjson(*({"url": "bad"} for _ in range(1000)))
    good = ndjson(*({"url": "https://b.example/"} for _ in range(1500)))
    done = await send(api, bad + good)
    query = "/websites?q=b.example&confirm=1500"
    await api.request("PATCH", query, json={"request_headers": {"X": WORD}}, expect=200)
    # then
    changed, third, second = await _entries(api)
    assert second["object_id"] == third["object_id"] == done["id"]
    assert [e["details"] for e in (second, third)] == [
        {"first_line": 1001, "last_line": 2000, "created": 1000, "updated": 0},
        {"first_line": 2001, "last_line": 2500, "created": 500, "updated": 0},
    ]
    assert changed["changes"] == {"request_headers": {"new": {"X": "********"}}}
    filters = {"filter": {"q": "b.example"}, "matched": 1500, "changed": 1500}
    assert changed["details"] == filters


async def test_the_log_is_read_by_page_and_by_who_what_and_when(api):
    await given(api)
    site = await api.add_website(url="https://a.example/")
    client = api.client(Role.WRITE)
    for n in range(3):
        await client.patch(f"/websites/{site['id']}", json={"name": f"n{n}"})
    await api.rows("UPDATE audit_log SET at = now() - interval '1 day' WHERE key_id <> %s",
                   UUID(api.keys[Role.WRITE].split("_")[1]))  # fmt: skip
    everything = await _entries(api)
    assert [e["action"] for e in everything] == ["website.changed"] * 3 + ["website.created"]
    # by page
    found, cursor = [], None
    while True:
        query = {"limit": 2, "object": site["id"]} | ({"cursor": cursor} if cursor else {})
        page = await api.get("/audit", params=query)
        found += page["items"]
        if (cursor := page["next_cursor"]) is None:
            break
    assert found == everything
    # by filter
    writer, admin = everything[0]["key_id"], everything[3]["key_id"]
    assert await _entries(api, key=writer) == everything[:3]
    assert await _entries(api, key=admin, action="website.created") == everything[3:]
    assert await _entries(api, key=admin, action="website.changed") == []
    assert await _entries(api, object="nothing") == []
    since = (dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)).isoformat()
    assert await _entries(api, since=since) == everything[:3]
    assert await _entries(api, until=since) == everything[3:]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"since": "2026-11-24T00:00:00"}, "since"),
        ({"until": "yesterday"}, "until"),
        ({"until": "0.5"}, "until"),
        ({"since": "2026-02-30T00:00:00Z"}, "since"),
        ({"action": "website.painted"}, "action"),
        ({"key": "1"}, "key"),
        ({"object": "a\x00b"}, "object"),
        ({"cursor": "AAAA"}, "cursor"),
        ({"who": "me"}, "who"),
    ],
)
async def test_invalid_log_queries_are_rejected(api, query, field):
    answer = await api.request("GET", "/audit", params=query, expect=400)
    assert [e["field"] for e in answer.json()["errors"]] == [field]


async def test_entries_are_kept_for_their_days(api, monkeypatch):
    await given(api)
    for name in ("a", "b", "c"):
        await api.add_regions(name)
    await api.rows(
        "UPDATE audit_log SET at = now() - interval '31 days' WHERE object_id IN ('a', 'b')"
    )
    monkeypatch.setattr(audit, "_EXPIRY_BATCH", 1)
    assert await audit.expire(api.pool, 30) == 2
    assert [e["object_id"] for e in await _entries(api)] == ["c"]


async def _store_a_secret_in_the_clear(database_url):
    async with make_pool(database_url, max_size=1) as pool:
        await websites.create(pool, Vault(), {"url": "https://b.example/", **SECRETS}, time.time())


def test_the_command_line_is_logged_too(database_url, redis_url, tmp_path):
    encryption = new_key()
    with served(database_url, redis_url, tmp_path, MONITOR_ENCRYPTION_KEYS=encryption) as api:
        stores = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
        asyncio.run(_store_a_secret_in_the_clear(database_url))

        def monitor(*words):
            done = api.monitor(*words, **stores, MONITOR_ENCRYPTION_KEYS=encryption)
            assert done.returncode == 0, done.stderr
            return done.stdout.decode().strip()

        # when
        key_id = UUID(monitor("keys", "create", "--name", "n", "--role", "read").split("_")[1])
        monitor("keys", "rotate", str(key_id))
        monitor("keys", "revoke", str(key_id))
        monitor("secrets", "rotate")
        # then
        found = api.http.get("/audit", params={"limit": 4}).json()["items"]
        assert [(e["action"], e["object_id"]) for e in reversed(found)] == [
            ("key.created", str(key_id)),
            ("key.rotated", str(key_id)),
            ("key.revoked", str(key_id)),
            ("secrets.rotated", None),
        ]
        for entry in found:
            assert entry["actor"].startswith("command line (")
            assert (entry["key_id"], entry["address"]) == (None, None)
        assert found[0]["details"] == {"websites": 1}
        with psycopg.connect(database_url) as connection:
            (logged,) = connection.execute(
                "SELECT string_agg(a::text, '') FROM audit_log a"
            ).fetchone()
        assert WORD not in str(logged)
