"""Options as they are stored: defaults left out, secrets apart, and read by other versions."""

import msgspec
import pytest

from monitor.domain.outcome import Reason, Result
from monitor.probes.contract import ProbeSettings
from monitor.probes.registry import Probers
from monitor.services.checks.check import check_batch
from monitor.services.secrets.vault import Vault, new_key
from monitor.services.websites import manage
from monitor.storage.redis import keys
from support.bulk import ndjson, send
from support.factories import START_S, batch_message
from support.targets_checks import LOOPBACK_ONLY

DEFAULTS = {
    "check_frequency": 180,
    "request_timeout": 15,
    "http_method": "get",
    "request_headers": {},
    "request_body": "",
    "expected_status_codes": ["200-399"],
    "follow_redirects": True,
    "verify_ssl": True,
    "tls_min_version": None,
}


async def _options(api):
    return [row for (row,) in await api.rows("SELECT options FROM websites ORDER BY id")]


async def test_options_sent_with_their_defaults_are_stored_like_options_not_sent(api):
    await api.add_regions("europe")
    # given websites that came in every way
    await api.add_website(url="https://a.example/")
    await api.add_website(url="https://a.example/", **DEFAULTS)
    await send(api, ndjson({"url": "https://a.example/", **DEFAULTS}))
    changed = await api.add_website(url="https://a.example/", http_method="POST", verify_ssl=False)
    await api.patch(f"/websites/{changed['id']}", {"http_method": "GET", "verify_ssl": True})
    # then
    assert await _options(api) == [{"kind": "http"}] * 4


@pytest.mark.parametrize("name", DEFAULTS)
async def test_a_bulk_change_to_what_is_stored_changes_nothing(api, name):
    await api.add_regions("europe")
    await api.add_website(url="https://a.example/", **DEFAULTS)
    path = "/websites?all=true&confirm=1"
    done = await api.request("PATCH", path, json={name: DEFAULTS[name]}, expect=200)
    assert done.json() == {"matched": 1, "changed": 0}


async def test_a_bulk_change_back_to_a_default_leaves_it_out(api):
    await api.add_regions("europe")
    await api.add_website(url="https://a.example/", http_method="POST", request_body="x")
    path = "/websites?all=true&confirm=1"
    await api.request("PATCH", path, json={"http_method": "GET", "request_body": ""}, expect=200)
    assert await _options(api) == [{"kind": "http"}]
    rows = await api.rows("SELECT encrypted, has_secrets FROM websites")
    assert rows == [(None, False)]


async def test_a_website_with_a_lost_key_is_in_nobody_elses_way(api):
    await api.add_regions("europe")
    lost = {"url": "https://lost.example/", "request_body": "s", "external_id": "lost"}
    await manage.create(api.pool, Vault([new_key()]), lost, api.now_s)
    own = await api.add_website(url="https://own.example/", request_body="s")
    # when its external_id is asked for, with a secret
    body = {"external_id": "lost", "request_body": "x"}
    created = await api.request(
        "POST", "/websites", json={"url": "https://c.example/"} | body, expect=409
    )
    changed = await api.request("PATCH", f"/websites/{own['id']}", json=body, expect=409)
    # then
    assert created.json()["code"] == changed.json()["code"] == "external_id_taken"


async def test_fields_that_contradict_each_other_are_named_before_the_missing_region(api):
    body = {"url": "https://a.example/", "check_frequency": 30, "request_timeout": 40}
    refused = await api.request("POST", "/websites", json=body, expect=422)
    assert [e["field"] for e in refused.json()["errors"]] == ["request_timeout"]


async def test_a_kind_of_a_newer_version_is_not_measured_and_costs_others_nothing(world):
    # given a website that a newer version has projected, among others
    await world.add_region("europe")
    known = await world.add_website("http://127.0.0.1:1/")
    newer = await world.add_website("http://127.0.0.1:2/")
    await world.sync()
    definition = msgspec.msgpack.encode({"check": {"kind": "tcp", "host": "a"}})
    await world.redis.hset(keys.DEFINITIONS, newer.bytes, definition)
    probers = Probers(ProbeSettings(LOOPBACK_ONLY))
    world.prober = probers
    worker = world.worker()
    # when
    await check_batch(worker, batch_message(slot_ms=START_S * 1000))
    await probers.close()
    # then
    assert await world.ticks.ticks(newer, START_S - 3600, START_S + 3600) == []
    assert len(await world.ticks.ticks(known, START_S - 3600, START_S + 3600)) == 1
    assert worker.meter.outcomes[Result.NOT_MEASURED, Reason.UNSUPPORTED_KIND] == 1
