"""docs/guides/upgrade.md, done as it stands there, from every schema there has been."""

import hashlib
import shutil
import uuid

import psycopg
import pytest

from monitor.domain.access import Role
from monitor.storage.postgres.migrations import directory, migrate, read
from support.documents import commands, page, run, section
from support.served_api import serving

PAGE = page("guides/upgrade.md")
MIGRATE = commands(section(PAGE, "4. Migrate"))
SYNC = [code for code in commands(section(PAGE, "5. Start the centre")) if "systemctl" not in code]
EARLIER = read(directory())[:-1]

WEBSITE = uuid.uuid4()
KEY_ID, SECRET = uuid.uuid4(), "k" * 43
"""A key as it is stored in every version: the hash of its secret part."""

_OPTIONS = 10
"""The migration that put the options of checks into one column."""

# A website as it was stored before that migration, and since.
_WEBSITE = f"""
    INSERT INTO websites (id, url, name, all_regions, check_frequency, request_timeout, http_method,
                          request_headers, request_body, expected_status_codes, follow_redirects,
                          verify_ssl, alert_emails, external_id)
    VALUES ('{WEBSITE}', 'https://shop.example/', 'shop', false, 60, 10, 'POST',
            '{{"X-Team": "blue"}}', 'ping', '[[200, 204], [301, 301]]', false,
            false, '{{ops@shop.example}}', '42');
"""
_WEBSITE_OF_OPTIONS = f"""
    INSERT INTO websites (id, url, name, all_regions, check_frequency, options, has_secrets,
                          alert_emails, external_id)
    VALUES ('{WEBSITE}', 'https://shop.example/', 'shop', false, 60,
            '{{"kind": "http", "request_timeout": 10, "http_method": "POST",
              "request_headers": {{"X-Team": "blue"}}, "request_body": "ping",
              "expected_status_codes": [[200, 204], [301, 301]], "follow_redirects": false,
              "verify_ssl": false}}', true, '{{ops@shop.example}}', '42');
"""

# What every version's schema has from the first migration on, and took in its day.
_FILL = f"""
    INSERT INTO website_regions VALUES ('{WEBSITE}', 'europe');
    INSERT INTO verdicts (website_id, region, verdict, at, slot, reason)
    VALUES ('{WEBSITE}', 'europe', 'down', now(), now(), 'http_status');
    INSERT INTO incidents (id, website_id, started_at, cause, status_code, regions)
    VALUES (gen_random_uuid(), '{WEBSITE}', now(), 'http_status', 503, '{{europe}}');
    INSERT INTO notifications (id, incident_id, event, channel, recipient, state, sent_at)
    SELECT gen_random_uuid(), id, 'opened', 'email', 'ops@shop.example', 'sent', now()
      FROM incidents;
"""


@pytest.fixture(params=range(1, len(EARLIER) + 1), ids=lambda n: EARLIER[n - 1].name)
def old_installation(request, empty_database_url, tmp_path):
    """The URL of a database with data and the first so many migrations, and those it lacks."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    for migration in EARLIER[: request.param]:
        shutil.copy(directory() / migration.name, folder)
    migrate(empty_database_url, folder)
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("INSERT INTO regions (name) VALUES ('europe'), ('asia')")
        connection.execute(_WEBSITE if request.param < _OPTIONS else _WEBSITE_OF_OPTIONS)
        connection.execute(_FILL)
        connection.execute(
            "INSERT INTO api_keys (id, name, role, hash) VALUES (%s, 'old', 'admin', %s)",
            [KEY_ID, hashlib.sha256(SECRET.encode()).digest()],
        )
    return empty_database_url, [m.name for m in read(directory())[request.param :]]


def test_an_older_installation_is_migrated_and_goes_on(old_installation, redis_url, tmp_path):
    database_url, missing = old_installation
    settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    # when the commands of the page are run
    migrated = "".join(run(code, tmp_path, **settings) for code in MIGRATE)
    synced = "".join(run(code, tmp_path, **settings) for code in SYNC)
    # then
    assert migrated.split() == missing
    assert "Synced 1 websites to Redis" in synced
    assert "Nothing to do: the database is up to date." in run(MIGRATE[0], tmp_path, **settings)
    # and the API goes on with what there was, with a key of then
    keys = dict.fromkeys(Role, f"mon_{KEY_ID.hex}_{SECRET}")
    with serving(database_url, redis_url, tmp_path, keys) as api:
        _assert_all_is_there(api)
        _assert_it_can_be_changed(api)


def _assert_all_is_there(api):
    (website,) = api.websites()
    expected = {
        "id": str(WEBSITE), "url": "https://shop.example/", "name": "shop", "regions": ["europe"],
        "check_frequency": 60, "request_timeout": 10, "http_method": "POST",
        "expected_status_codes": ["200-204", 301], "follow_redirects": False, "verify_ssl": False,
        "alert_emails": ["ops@shop.example"], "external_id": "42", "status": "unknown",
        "request_headers": {"X-Team": "********"}, "request_body": "********",
    }  # fmt: skip
    assert {name: website[name] for name in expected} == expected
    (downtime,) = api.http.get(f"/monitor/{WEBSITE}/downtime").json()["items"]
    assert (downtime["cause"], downtime["resolved_at"]) == ("http_status", None)


def _assert_it_can_be_changed(api):
    answer = api.http.patch(f"/websites/{WEBSITE}", json={"request_timeout": 20, "paused": True})
    assert answer.status_code == 200, answer.text
    assert answer.json()["request_timeout"] == 20
    (downtime,) = api.http.get(f"/monitor/{WEBSITE}/downtime").json()["items"]
    assert downtime["resolution"] == "paused"
    new = api.http.post("/websites", json={"url": "https://new.example/"})
    assert (new.status_code, len(api.websites())) == (201, 2)
