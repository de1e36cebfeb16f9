"""API keys end when they are said to, are rotated with an overlap, and say when they were used."""

import datetime as dt
from uuid import uuid4

import pytest

from monitor.domain.access import Refusal, Role
from monitor.services.access import keys
from monitor.services.access.key_ring import CACHE_S, KeyRing
from monitor.storage.postgres.pool import transaction
from support.served_api import served


def _bearer(key):
    return {"Authorization": f"Bearer {key}"}


def _in(**span):
    return dt.datetime.now(dt.UTC) + dt.timedelta(**span)


async def _make(api, **fields):
    return await api.post("/keys", {"name": "ci", "role": "read"} | fields)


async def _end(api, made, ago="1 second"):
    """As if its time had come."""
    await api.rows(
        f"UPDATE api_keys SET expires_at = now() - interval '{ago}' WHERE id = %s", made["id"]
    )


async def _asks(api, key, path="/regions"):
    return await api.client(None).get(path, headers=_bearer(key))


async def test_a_key_is_made_shown_once_and_works(api):
    # when
    answer = await api.request("POST", "/keys", json={"name": "ci", "role": "read"}, expect=201)
    made = answer.json()
    # then
    assert (await _asks(api, made["key"])).status_code == 200
    assert (await _asks(api, made["key"], "/keys")).status_code == 403
    read = await api.get(answer.headers["location"])
    assert read.pop("last_used_at") is not None
    assert made | read == made
    assert "key" not in read
    assert made["key"] not in (await api.request("GET", "/keys")).text
    assert made["expires_at"] is None


async def test_a_key_ends_when_it_was_said_to(api):
    # given
    made = await _make(api, expires_in=3600)
    lives = dt.datetime.fromisoformat(made["expires_at"]) - dt.datetime.fromisoformat(
        made["created_at"]
    )
    assert lives == dt.timedelta(hours=1)
    # when
    await _end(api, made)
    # then
    answer = await _asks(api, made["key"])
    assert answer.status_code == 401
    assert answer.json()["detail"] == "This API key has expired."
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert (await api.get(f"/keys/{made['id']}"))["state"] == "expired"
    # and to whoever has its id alone it is any wrong key
    guessed = await _asks(api, made["key"][:-43] + "A" * 43)
    assert guessed.json()["detail"] == "This API key is not valid."


async def test_cached_key_is_refused_after_it_expires(api):
    # given a key with a second left, just used
    now = [100.0]
    ring = KeyRing(api.pool, lambda: now[0])
    made = await _make(api)
    await _end(api, made, ago="-1 second")
    assert (await ring.identify(made["key"])).name == "ci"
    # when
    await _end(api, made)
    now[0] += 1.0
    # then
    assert await ring.identify(made["key"]) is Refusal.EXPIRED


async def test_a_rotated_key_goes_on_for_the_overlap_and_then_ends(api):
    # given
    old = await _make(api, role="write", expires_in=90 * 86_400)
    # when
    new = await api.post(f"/keys/{old['id']}/rotate", {"overlap": 3600})
    # then both work, and name each other
    for key in (old["key"], new["key"]):
        assert (await _asks(api, key)).status_code == 200
    before, after = await api.get(f"/keys/{old['id']}"), await api.get(f"/keys/{new['id']}")
    assert (before["replaced_by"], after["replaces"]) == (new["id"], old["id"])
    assert (new["name"], new["role"]) == ("ci", "write")
    ends = dt.datetime.fromisoformat(before["expires_at"])
    made = dt.datetime.fromisoformat(new["created_at"])
    assert ends - made == dt.timedelta(hours=1)
    # and the new one lives as long as the old one would have
    assert dt.datetime.fromisoformat(new["expires_at"]) - made == dt.timedelta(days=90)
    # when the overlap is over
    await _end(api, old)
    # then, in a process that has not just seen it
    ring = KeyRing(api.pool)
    assert await ring.identify(old["key"]) is Refusal.EXPIRED
    assert (await ring.identify(new["key"])).role is Role.WRITE


async def test_an_overlap_never_lets_a_key_live_longer(api):
    old = await _make(api, expires_in=60)
    await api.post(f"/keys/{old['id']}/rotate", {"overlap": 3600, "expires_in": None})
    assert (await api.get(f"/keys/{old['id']}"))["expires_at"] == old["expires_at"]


async def test_a_key_has_one_successor_that_works(api):
    # given
    old = await _make(api)
    new = await api.post(f"/keys/{old['id']}/rotate", {})
    assert new["expires_at"] is None
    # when
    refused = await api.post(f"/keys/{old['id']}/rotate", {}, expect=409)
    # then
    assert refused["code"] == "key_rotated"
    assert new["id"] in refused["detail"]
    # and where that one was lost, another can be made
    await api.delete(f"/keys/{new['id']}")
    again = await api.post(f"/keys/{old['id']}/rotate", {})
    assert (await api.get(f"/keys/{old['id']}"))["replaced_by"] == again["id"]
    assert again["expires_at"] is None


async def test_expired_and_unknown_keys_are_not_found(api):
    made = await _make(api)
    await api.delete(f"/keys/{made['id']}")
    expired = await _make(api)
    await _end(api, expired)
    for gone in (made["id"], expired["id"], uuid4()):
        await api.delete(f"/keys/{gone}", expect=404)
        await api.post(f"/keys/{gone}/rotate", {}, expect=404)
    assert (await api.get(f"/keys/{made['id']}"))["state"] == "revoked"
    await api.get(f"/keys/{uuid4()}", expect=404)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["name", "role"]),
        ({"name": "", "role": "god"}, ["name", "role"]),
        ({"name": "n", "role": "read", "expires_in": 59}, ["expires_in"]),
        ({"name": "n", "role": "read", "expires_in": "90d"}, ["expires_in"]),
        ({"name": "n", "role": "read", "key": "mon_x"}, ["key"]),
        ({"name": "n\n", "role": ["read"], "colour": 1}, ["name", "role", "colour"]),
    ],
)
async def test_bad_fields_are_named_and_no_key_is_made(api, body, fields):
    before = await api.rows("SELECT count(*) FROM api_keys")
    refused = await api.post("/keys", body, expect=422)
    assert [e["field"] for e in refused["errors"]] == fields
    assert await api.rows("SELECT count(*) FROM api_keys") == before


async def test_keys_come_in_pages(api):
    for n in range(3):
        await _make(api, name=f"n{n}")
    found, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = await api.get("/keys", params=query)
        found += [k["id"] for k in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert found == [str(k.id) for k in await keys.list_keys(api.pool)]
    assert len(found) == 6


async def test_the_last_use_is_written_once_a_minute_and_not_by_each_request(api):
    # given
    now = [100.0]
    ring = KeyRing(api.pool, lambda: now[0])
    made = await _make(api)

    async def use():
        """The version of the row after many requests, each looked up in the database."""
        for _ in range(5):
            assert (await ring.identify(made["key"])).name == "ci"
            now[0] += CACHE_S
        return await api.rows(
            "SELECT xmin::text, last_used_at > now() - interval '1 minute' FROM api_keys"
            " WHERE id = %s",
            made["id"],
        )

    never = await api.get(f"/keys/{made['id']}")
    assert never["last_used_at"] is None
    # when
    first, second = await use(), await use()
    # then
    assert first == second
    assert first[0][1] is True
    # and a minute later once more
    await api.rows(
        "UPDATE api_keys SET last_used_at = now() - interval '61 seconds' WHERE id = %s",
        made["id"],
    )
    assert (await use())[0][1] is True
    # and a wrong secret is no use
    other = await _make(api)
    await ring.identify(other["key"][:-43] + "A" * 43)
    assert (await api.get(f"/keys/{other['id']}"))["last_used_at"] is None


async def test_nobody_waits_to_note_a_use(api):
    # given a key whose row somebody holds
    made = await _make(api)
    async with transaction(api.pool) as holder:
        await holder.execute("SELECT 1 FROM api_keys WHERE id = %s FOR UPDATE", [made["id"]])
        # then
        assert (await KeyRing(api.pool).identify(made["key"])).name == "ci"


def test_the_command_line_makes_lists_rotates_and_revokes(database_url, redis_url, tmp_path):
    with served(database_url, redis_url, tmp_path) as api:

        def monitor(*words):
            done = api.monitor("keys", *words, DATABASE_URL=database_url)
            assert done.returncode == 0, done.stderr
            return done.stdout.decode().strip()

        def asks(key):
            return api.http.get("/regions", headers=_bearer(key)).status_code

        # given
        days = {f"{_in(days=90):%Y-%m-%d}"}
        key = monitor("create", "--name", "cron job", "--role", "read", "--expires-in", "90d")
        days.add(f"{_in(days=90):%Y-%m-%d}")
        assert asks(key) == 200
        (line,) = [x for x in monitor("list").splitlines() if "cron job" in x]
        key_id = line.split()[0]
        assert any(day in line for day in days)
        # when
        ends = {f"{_in(hours=2):%Y-%m-%d %H:%M}"}
        successor = monitor("rotate", key_id, "--overlap", "2h")
        ends.add(f"{_in(hours=2):%Y-%m-%d %H:%M}")
        # then
        assert [asks(k) for k in (key, successor)] == [200, 200]
        old, new = [x for x in monitor("list").splitlines() if "cron job" in x]
        assert f"(replaced by {new.split()[0]})" in old
        assert f"(replaces {key_id})" in new
        assert any(end in old for end in ends)
        # and
        assert monitor("revoke", key_id).startswith(f"Revoked {key_id}")
        assert " revoked " in next(x for x in monitor("list").splitlines() if x.startswith(key_id))
