"""/metrics of the API: the outbox, incidents, changes, a store that is away, its own requests."""

import asyncio

import pytest

from monitor.domain.access import Role
from monitor.domain.status import Standing
from monitor.services.workers.installation import CACHE_S
from monitor.storage.redis.client import make_client
from support.api import NOWHERE
from support.metrics import samples, value


async def _notify(api, incident, recipient, state, due_in_s=0):
    await api.rows(
        "INSERT INTO notifications (id, incident_id, event, channel, recipient, state,"
        " next_attempt_at, sent_at) VALUES (gen_random_uuid(), %s, 'opened', 'email', %s, %s,"
        " now() + make_interval(secs => %s), CASE WHEN %s = 'sent' THEN now() END)",
        incident, recipient, state, due_in_s, state,
    )  # fmt: skip


async def test_the_outbox_incidents_and_changes_are_counted(api):
    await api.add_regions("europe")
    websites = [await api.add_website() for _ in range(3)]
    await api.take_changes()
    await api.open_incident(websites[0], api.now_s - 100)
    await api.open_incident(websites[1], api.now_s - 100)
    await api.open_incident(websites[2], api.now_s - 100, resolved=api.now_s - 50)
    ((incident,), *_) = await api.rows("SELECT id FROM incidents")
    # given
    due = {"a": ("queued", -30), "b": ("queued", -300), "c": ("queued", 900)}
    over = {"d": ("failed", -9000), "e": ("sent", -9000), "f": ("failed", 0)}
    for recipient, (state, due_in_s) in (due | over).items():
        await _notify(api, incident, recipient, state, due_in_s)
    await api.rows("INSERT INTO changes (changed_at) VALUES (now() - interval '70 s'), (now())")
    # then
    found = await samples(api)
    for state, count in {"queued": 3, "overdue": 2, "failed": 2}.items():
        assert value(found, "monitor_outbox_notifications", state=state) == count
    assert value(found, "monitor_outbox_overdue_seconds") == pytest.approx(300, abs=20)
    assert value(found, "monitor_open_incidents") == 2
    assert value(found, "monitor_unsynced_changes") == 2
    assert value(found, "monitor_unsynced_changes_age_seconds") == pytest.approx(70, abs=20)


async def test_what_lists_are_sorted_by_is_counted_and_dated(api):
    await api.add_regions("europe")
    for _ in range(2):
        await api.add_website()
    found = await samples(api)
    assert value(found, "monitor_not_measured_websites") == 0
    assert "monitor_list_figures_timestamp_seconds" not in found
    # when
    await api.rows("UPDATE website_figures SET standing = %s", Standing.NOT_MEASURED.value)
    await api.rows("INSERT INTO figures_as_of (until) VALUES (to_timestamp(1790000000))")
    # then
    found = await samples(api)
    assert value(found, "monitor_not_measured_websites") == 2
    assert value(found, "monitor_list_figures_timestamp_seconds") == 1_790_000_000


async def test_a_failing_channel_is_named_with_what_it_fails_for(api):
    await api.add_regions("europe")
    website = await api.add_website()
    await api.open_incident(website, api.now_s - 100)
    ((incident,),) = await api.rows("SELECT id FROM incidents")
    await _notify(api, incident, "a@example.com", "queued")
    # given
    await api.rows(
        "UPDATE notifications SET fault = 'login', failing_since = now(), last_error = 'x'"
    )
    # when
    found = await samples(api)
    # then
    faults = ("unreachable", "login", "sender", "refused", "later")
    assert {
        fault: value(found, "monitor_channel_failing", channel="email", fault=fault)
        for fault in faults
    } == dict.fromkeys(faults, 0) | {"login": 1}
    # and whoever has no key is told no more than that it fails
    answer = await api.client(None).get("/readyz")
    assert answer.status_code == 200
    checks = {"postgres": "ok", "redis": "ok", "ticks": "ok", "mail": "failing"}
    assert answer.json() == {"status": "ok", "checks": checks}
    # when a mail leaves
    await api.rows("UPDATE notifications SET state = 'sent', sent_at = now()")
    # then
    answer = await api.client(None).get("/readyz")
    assert answer.json()["checks"] == {"postgres": "ok", "redis": "ok", "ticks": "ok"}
    api.now_s += CACHE_S
    found = await samples(api)
    assert value(found, "monitor_channel_failing", channel="email", fault="login") == 0


async def test_an_installation_at_rest_has_nothing_overdue(api):
    found = await samples(api)
    for name in ("outbox_overdue_seconds", "open_incidents", "unsynced_changes_age_seconds"):
        assert value(found, f"monitor_{name}") == 0
    assert value(found, "monitor_store_up", store="redis") == 1
    assert value(found, "monitor_store_up", store="postgres") == 1


async def test_metrics_without_redis_show_the_rest_and_the_failure(api):
    installation = api.app.state.installation
    installation._redis = make_client(NOWHERE)
    found = await samples(api)
    assert value(found, "monitor_store_up", store="redis") == 0
    assert value(found, "monitor_open_incidents") == 0
    assert "monitor_queue_messages" not in found
    await installation._redis.aclose()


async def test_metrics_without_postgres_show_regions_from_redis(api):
    await api.redis.sadd("monitor:rings", "europe:60")
    # given a key that was just seen
    await samples(api)
    await api.lose_postgres()
    # when
    found = await samples(api)
    # then
    assert value(found, "monitor_store_up", store="postgres") == 0
    assert value(found, "monitor_region_workers", region="europe") == 0
    assert "monitor_open_incidents" not in found


async def test_concurrent_scrapes_share_one_query(api):
    await samples(api)
    await api.add_regions("europe")
    # when asked again within the cache's time, by many
    seen = await asyncio.gather(*(samples(api, fresh=False) for _ in range(5)))
    assert all("monitor_region_workers" not in found for found in seen)
    # then
    api.now_s += CACHE_S
    found = await samples(api, fresh=False)
    assert value(found, "monitor_region_workers", region="europe") == 0


async def test_requests_are_counted_by_route_never_by_path(api):
    await api.add_regions("europe")
    website = await api.add_website()
    for _ in range(2):
        await api.get(f"/websites/{website['id']}")
    client = api.client(Role.READ)
    await client.get("/websites/ffffffff-ffff-ffff-ffff-ffffffffffff")
    for path in ("/wp-admin", "/.env"):
        await client.get(path)
    await client.request("PURGE", "/websites")
    await api.client(None).get("/websites")
    # then
    found = (await samples(api))["monitor_http_request_duration_seconds_count"]
    counts = {tuple(dict(labels)[k] for k in ("route", "method", "status")): n
              for labels, n in found.items()}  # fmt: skip
    assert counts["/websites/{website_id}", "GET", "2xx"] == 2
    assert counts["/websites/{website_id}", "GET", "4xx"] == 1
    assert counts["/websites", "POST", "2xx"] == 1
    assert counts["/websites", "GET", "4xx"] == 1
    assert counts["unmatched", "GET", "4xx"] == 2
    assert {method for _, method, _ in counts} == {"GET", "POST", "other"}
    assert not any("wp-admin" in route or website["id"] in route for route, _, _ in counts)
