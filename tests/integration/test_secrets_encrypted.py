"""Secrets at rest are encrypted in Postgres and Redis, and only a key of ours opens them."""

import json
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from monitor.domain.errors import SecretsUnreadable, SettingsError
from monitor.domain.outcome import Reason, Result
from monitor.local.stack import _encryption_keys
from monitor.runtime.settings import load
from monitor.services.checks.check import check_batch
from monitor.services.secrets import at_rest
from monitor.services.secrets import rotate as rotation
from monitor.services.secrets.vault import Vault, new_key
from monitor.services.websites import manage as websites
from monitor.services.workers import regions
from support.api import VAULT
from support.bulk import ndjson, send
from support.factories import START_S, batch_message, outcome_up
from support.secretive import BODY, HEADERS, SECRETS, WORD, in_postgres, in_redis, stored

KEY = "A" * 43 + "="
OURS = Vault([KEY])

FIELDS = {
    "url": "http://shop.test/",
    "http_method": "POST",
    "request_headers": HEADERS,
    "request_body": BODY,
}


class RecordingProber:
    """Up, whatever it is asked; keeps what that was."""

    def __init__(self):
        self.asked = []

    async def check(self, options, *_):
        self.asked.append(options)
        return outcome_up(response_ms=1.0)


def _batch():
    return batch_message()


async def _given(world, vault):
    """A website with secrets and one without, in Redis."""
    await regions.create(world.pool, {"name": "europe"})
    made = await websites.create(world.pool, vault, FIELDS, world.now_s)
    plain = {"url": "http://plain.test/", "request_headers": {"Accept": "*/*"}}
    await websites.create(world.pool, vault, plain, world.now_s)
    await world.sync()
    return made.website.id


async def test_postgres_and_redis_hold_no_plaintext_secret(api):
    # given secrets that came in every way
    await api.add_regions("europe")
    one = await api.add_website(**SECRETS)
    await send(api, ndjson({"url": "https://b.example", **SECRETS}))
    path = "/websites?all=true&confirm=2"
    await api.request("PATCH", path, json={"request_headers": {"X": f"{WORD}-4"}}, expect=200)
    await api.patch(f"/websites/{one['id']}", {"request_headers": {"Y": f"{WORD}-5"}})
    # then
    text = await in_postgres(api)
    assert "********" in text
    assert WORD not in text
    assert await stored(api.pool, VAULT, one["id"]) == ({"Y": f"{WORD}-5"}, BODY)


async def test_region_worker_decrypts_and_sends_secrets(world):
    world.vault, world.prober = VAULT, RecordingProber()
    await _given(world, VAULT)
    assert WORD.encode() not in await in_redis(world.redis)
    # when
    await check_batch(world.worker(), _batch())
    # then
    asked = {o.url: (o.request_headers, o.request_body) for o in world.prober.asked}
    assert asked == {
        "http://shop.test/": (HEADERS, BODY),
        "http://plain.test/": ({"Accept": "*/*"}, ""),
    }


@pytest.mark.parametrize("vault", [Vault(), Vault([new_key()])], ids=["no key", "another key"])
async def test_a_worker_that_lacks_the_key_measures_nothing_and_says_why(world, vault, capsys):
    world.vault, world.prober = vault, RecordingProber()
    website = await _given(world, VAULT)
    worker = world.worker()
    # when it fails as often as a website that is down would
    for n in range(3):
        await check_batch(worker, batch_message(slot_ms=(START_S + n * 180) * 1000))
        world.now_s += 180
    # then nothing was sent, nothing was stored, and others were checked
    assert {o.url for o in world.prober.asked} == {"http://plain.test/"}
    assert await world.ticks.ticks(website, START_S - 3600, START_S + 3600) == []
    assert await world.states.read({"europe": [website]}) == {}
    assert worker.meter.outcomes[Result.NOT_MEASURED, Reason.SECRETS_UNREADABLE] == 3
    shown = capsys.readouterr()
    assert "batch.secrets_unreadable" in shown.out + shown.err


async def test_without_the_key_secrets_can_be_replaced_by_nobody_and_the_rest_by_all(api):
    await api.add_regions("europe")
    lost = Vault([new_key()])
    made = await websites.create(api.pool, lost, FIELDS, api.now_s)
    path = f"/websites/{made.website.id}"
    # then it can be read, paused and removed
    assert (await api.get(path))["request_body"] == "********"
    assert (await api.patch(path, {"paused": True}))["paused"] is True
    assert await stored(api.pool, lost, made.website.id) == (HEADERS, BODY)
    # but not compared
    refused = await api.request("PATCH", path, json={"request_body": "b"}, expect=503)
    assert refused.json()["code"] == "secrets_unreadable"
    # unless it is said of many, which replaces what cannot be read
    everything = {"request_headers": {}, "request_body": f"{WORD}-b"}
    await api.request("PATCH", "/websites?all=true&confirm=1", json=everything, expect=200)
    assert await stored(api.pool, VAULT, made.website.id) == ({}, f"{WORD}-b")
    await api.delete(path)


async def test_reencryption_covers_old_keys_and_plaintext(world):
    old, new = new_key(), new_key()
    both = Vault([new, old])
    # given one sealed with the old key, one in the clear, one that has no secret
    sealed = await _given(world, Vault([old]))
    clear = (await websites.create(world.pool, Vault(), FIELDS, world.now_s)).website.id
    told = []
    # when
    changed = await rotation.rotate(world.pool, both, lambda *at: told.append(at))
    # then
    assert (changed, told[-1]) == (2, (3, 3))
    for website in (sealed, clear):
        assert await stored(world.pool, Vault([new]), website) == (HEADERS, BODY)
    with pytest.raises(SecretsUnreadable):
        await stored(world.pool, Vault([old]), sealed)
    assert await rotation.rotate(world.pool, both) == 0


async def test_interrupted_reencryption_resumes(world, monkeypatch):
    old, new = new_key(), new_key()
    await regions.create(world.pool, {"name": "europe"})
    ids = []
    for n in range(5):
        made = await websites.create(world.pool, Vault([old]), FIELDS, world.now_s + n)
        ids.append(made.website.id)
    monkeypatch.setattr(rotation, "_PAGE", 2)

    def break_off(done, _):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await rotation.rotate(world.pool, Vault([new, old]), break_off)
    assert await rotation.rotate(world.pool, Vault([new, old])) == 1
    for website in ids:
        assert await stored(world.pool, Vault([new]), website) == (HEADERS, BODY)


async def test_a_key_that_is_missing_is_told_and_loses_nothing(world):
    old = new_key()
    website = await _given(world, Vault([old]))
    with pytest.raises(SecretsUnreadable, match=str(website)):
        await rotation.rotate(world.pool, Vault([new_key()]))
    with pytest.raises(SettingsError, match="MONITOR_ENCRYPTION_KEYS is not set"):
        await rotation.rotate(world.pool, Vault())
    assert await stored(world.pool, Vault([old]), website) == (HEADERS, BODY)


async def test_what_an_earlier_version_encrypted_is_shown_by_the_next_write(world):
    # given headers whose User-Agent was hidden, alone and with a secret
    await regions.create(world.pool, {"name": "europe"})
    alone, both = {"User-Agent": "a"}, {"User-Agent": "a", "X": WORD}
    ids = [await _as_encrypted_before(world, headers) for headers in (alone, both)]
    # when anything is written
    for one in ids:
        await websites.change(world.pool, OURS, one, {"name": "b"}, world.now_s)
    # then
    found = [(await websites.get(world.pool, i)).website for i in ids]
    assert [w.check.request_headers for w in found] == [alone, both | {"X": "********"}]
    assert [sorted(w.encrypted) for w in found] == [[], ["request_headers"]]
    assert [await stored(world.pool, OURS, i) for i in ids] == [(alone, ""), (both, "")]


async def test_encrypting_anew_shows_what_an_earlier_version_hid(world):
    await regions.create(world.pool, {"name": "europe"})
    alone, both = {"User-Agent": "a"}, {"User-Agent": "a", "X": WORD}
    ids = [await _as_encrypted_before(world, headers) for headers in (alone, both)]
    assert await rotation.rotate(world.pool, OURS) == 2
    assert await rotation.rotate(world.pool, OURS) == 0
    assert await stored(world.pool, Vault(), ids[0]) == (alone, "")
    found = (await websites.get(world.pool, ids[1])).website
    assert found.check.request_headers == both | {"X": "********"}
    assert await stored(world.pool, OURS, ids[1]) == (both, "")


async def test_a_mask_of_what_is_shown_by_now_stands_for_it(world):
    await regions.create(world.pool, {"name": "europe"})
    headers = {"User-Agent": "a", "X": WORD}
    website = await _as_encrypted_before(world, headers)
    sent = {"request_headers": dict.fromkeys(headers, "********")}
    await websites.change(world.pool, OURS, website, sent, world.now_s)
    assert await stored(world.pool, OURS, website) == (headers, "")


async def test_without_its_key_what_was_hid_stays_so_and_the_rest_can_be_changed(world):
    await regions.create(world.pool, {"name": "europe"})
    website = await _as_encrypted_before(world, {"User-Agent": "a"})
    await websites.change(world.pool, VAULT, website, {"name": "c"}, world.now_s)
    found = (await websites.get(world.pool, website)).website
    assert (found.name, found.check.request_headers) == ("c", {"User-Agent": "********"})
    assert await stored(world.pool, OURS, website) == ({"User-Agent": "a"}, "")


async def _as_encrypted_before(world, headers):
    """A website with these headers, as a version stored them that showed no User-Agent."""
    made = await websites.create(world.pool, OURS, {"url": "http://shop.test/"}, world.now_s)
    await world.execute(
        "UPDATE websites SET options = options || %s::jsonb, encrypted = %s::jsonb,"
        " has_secrets = true WHERE id = %s",
        json.dumps({"request_headers": dict.fromkeys(headers, "********")}),
        json.dumps({"request_headers": Fernet(KEY).encrypt(json.dumps(headers).encode()).decode()}),
        made.website.id,
    )
    return made.website.id


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"request_headers": {"X": WORD}}, 1),
        ({"request_body": WORD}, 1),
        ({"request_headers": {"Accept": "a", "user-agent": "b", "Host": "c", "X": ""}}, 0),
        ({}, 0),
    ],
)
async def test_secrets_in_the_clear_are_counted_and_nothing_else(world, fields, count):
    await regions.create(world.pool, {"name": "europe"})
    given = {"url": "http://shop.test/"} | fields
    await websites.create(world.pool, Vault(), given, world.now_s)
    assert await at_rest.websites_in_the_clear(world.pool) == count
    # and one is not hidden by another that is encrypted
    await websites.create(world.pool, OURS, FIELDS, world.now_s + 1)
    assert await at_rest.websites_in_the_clear(world.pool) == count
    await rotation.rotate(world.pool, OURS)
    assert await at_rest.websites_in_the_clear(world.pool) == 0


@pytest.mark.parametrize("value", ["x", "a" * 44, f"{KEY},short", KEY + KEY, ","])
def test_a_malformed_key_is_told_and_not_quoted(value):
    with pytest.raises(SettingsError, match="MONITOR_ENCRYPTION_KEYS must be keys") as caught:
        load({"MONITOR_ENCRYPTION_KEYS": value}, Path("/nonexistent"))
    assert value not in str(caught.value) or len(value) == 1


def test_make_up_has_a_key_of_its_own_and_keeps_it(tmp_path):
    file = tmp_path / "encryption_key"
    # when the user has none
    first = _encryption_keys({}, file)
    # then
    assert Vault(first.split(",")).encrypts
    assert _encryption_keys({}, file) == first
    assert file.stat().st_mode & 0o777 == 0o600
    # and one that the user sets comes first
    theirs = new_key()
    assert _encryption_keys({"MONITOR_ENCRYPTION_KEYS": theirs}, file) == f"{theirs},{first}"
    assert _encryption_keys({"MONITOR_ENCRYPTION_KEYS": theirs}, tmp_path / "none") == theirs


def test_neither_keys_nor_secrets_are_in_a_repr():
    key = new_key()
    assert key not in repr(Vault([key]))
