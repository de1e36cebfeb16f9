"""API keys: which are valid, and what is kept of them. Who may do what: test_api_roles.py."""

import asyncio
from uuid import uuid4

import pytest

from monitor.domain.access import KeyState, Refusal, Role
from monitor.domain.errors import InvalidInput, NotFound
from monitor.services.access import keys
from monitor.services.access.key_ring import CACHE_S, KeyRing


async def test_invalid_keys_are_unauthenticated(api):
    good = api.keys[Role.ADMIN]
    other = api.keys[Role.READ]
    wrong = [
        "Bearer x",
        f"Bearer {good}x",
        f"Bearer {good[:-1]}",
        f"Bearer {good[:37]}{other[37:]}",  # one key's id with another's secret
        f"Bearer mon_{uuid4().hex}_{good[37:]}",
        f"Bearer {good.upper()}",
        f"Bearer {good} {good}",
    ]
    for header in wrong:
        answer = await api.client(None).get("/websites", headers={"Authorization": header})
        assert answer.status_code == 401, header
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    for header in ("", "Bearer", "Bearer ", f"Basic {good}", good):
        answer = await api.client(None).get("/websites", headers={"Authorization": header})
        assert answer.status_code == 401, header
        assert answer.headers["www-authenticate"] == "Bearer"
    answer = await api.client(None).get("/websites", headers={"Authorization": f"bearer {good}"})
    assert answer.status_code == 200


async def test_a_key_is_stored_as_a_hash_and_listed_without_its_secret(api):
    key = await keys.create_key(api.pool, "deploy", Role.WRITE)
    # then
    secret = key.split("_", 2)[2]  # may have a "_" in it
    stored = await api.rows("SELECT api_keys::text FROM api_keys WHERE name = 'deploy'")
    assert secret not in stored[0][0]
    assert secret.encode().hex() not in stored[0][0]
    shown = [k for k in await keys.list_keys(api.pool) if k.name == "deploy"]
    assert [(k.role, k.state) for k in shown] == [(Role.WRITE, KeyState.ACTIVE)]
    with pytest.raises(InvalidInput):
        await keys.create_key(api.pool, "", Role.READ)


async def test_a_revoked_key_ends_within_five_seconds(api):
    # given a key that was just used
    now = [100.0]
    ring = KeyRing(api.pool, lambda: now[0])
    key = await keys.create_key(api.pool, "short", Role.READ)
    key_id = (await keys.list_keys(api.pool))[-1].id
    assert (await ring.identify(key)).role is Role.READ
    # when
    await keys.revoke_key(api.pool, key_id)
    # then
    now[0] += CACHE_S
    assert await ring.identify(key) is Refusal.REVOKED
    assert await KeyRing(api.pool).identify(key) is Refusal.REVOKED
    for gone in (key_id, uuid4()):
        with pytest.raises(NotFound):
            await keys.revoke_key(api.pool, gone)


async def test_a_key_just_seen_is_not_looked_up_again(api):
    # given
    await asyncio.gather(*(api.get("/regions") for _ in range(3)))
    # when the key's row is gone, unseen by this process
    await api.rows("DELETE FROM api_keys")
    # then
    await api.get("/regions")
    refused = await api.client(Role.READ).get("/regions")
    assert refused.status_code == 401
