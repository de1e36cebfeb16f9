"""docs/guides/backup.md, done as it stands there: back up, restore elsewhere, and go on."""

import asyncio
from urllib.parse import quote

import httpx
import psycopg
import pytest
import redis as redis_client

from monitor.domain.access import Role
from monitor.services.secrets.vault import Vault, new_key
from monitor.storage.postgres.pool import make_pool
from support.documents import commands, page, run, section, shell
from support.secretive import BODY, HEADERS, SECRETS, stored
from support.served_api import served, serving
from support.stack import wait_until

PAGE = page("guides/backup.md")
BACK_UP = commands(section(PAGE, "Back up"))
RESTORE = commands(section(PAGE, "Restore"))


@pytest.fixture
def backup(database_url, redis_url, tmp_path):
    """An installation that was backed up: its websites and key by role, and the key of secrets."""
    key = new_key()
    with served(database_url, redis_url, tmp_path, MONITOR_ENCRYPTION_KEYS=key) as api:
        websites = [
            api.http.post("/websites", json={"url": "https://a.example/", **SECRETS}).json(),
            api.http.post("/websites", json={"url": "https://b.example/"}).json(),
        ]
        _open_incident(database_url, websites[1]["id"])
        for code in BACK_UP:
            run(code, tmp_path, DATABASE_URL=database_url, MONITOR_ENCRYPTION_KEYS=key)
        before = _everything(api)
    return before, api.keys, key


def _open_incident(database_url, website_id):
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO incidents (id, website_id, started_at, cause, regions)"
            " VALUES (gen_random_uuid(), %s, now(), 'http_status', '{europe}')",
            [website_id],
        )


def _everything(api):
    """What the API says that a restore must bring back. Statuses begin anew, and an incident that
    is open goes on."""
    websites = [{k: v for k, v in w.items() if k != "status"} for w in api.websites()]
    listed = [api.http.get(f"/monitor/{w['id']}/downtime").json()["items"] for w in websites]
    downtimes = [[d | {"duration_s": None} for d in items] for items in listed]
    assert sum(map(len, downtimes)) == 1
    regions = [r["name"] for r in api.http.get("/regions").json()["items"]]
    return websites, downtimes, regions


@pytest.fixture
def restored(postgres_server, redis_server):
    """The settings of where it is restored to, which steps before the sixth make."""
    url = postgres_server.url("monitor_restored")
    yield {
        "SERVER_URL": postgres_server.url("postgres"),
        "DATABASE_URL": url,
        "REDIS_URL": redis_server.url,
    }
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS monitor_restored WITH (FORCE)")


def _empty_redis(settings):
    with redis_client.Redis.from_url(settings["REDIS_URL"]) as client:
        client.flushall()


def test_a_restore_brings_everything_back_and_secrets_can_be_read(backup, restored, tmp_path):
    before, keys, key = backup
    _empty_redis(restored)
    # when all steps are done, in one shell as their settings go on
    printed = run("\n".join(RESTORE), tmp_path, **restored)
    # then
    assert "Nothing to do: the database is up to date." in printed
    assert "Encrypted the secrets of 0 websites anew." in printed
    assert "Synced 2 websites to Redis" in printed
    with serving(
        restored["DATABASE_URL"], restored["REDIS_URL"], tmp_path, keys,
        MONITOR_ENCRYPTION_KEYS=key,
    ) as api:  # fmt: skip
        assert _everything(api) == before
        assert api.http.get("/monitor").json()["items"][0]["status"] == "pending"
        assert (tmp_path / "encryption_keys").stat().st_mode & 0o077 == 0
        # and what is sent is what was sent
        website = before[0][0]["id"]
        assert _secrets(restored["DATABASE_URL"], Vault([key]), website) == (HEADERS, BODY)
        # and it can be changed, also with a key of before
        headers = {"Authorization": f"Bearer {keys[Role.WRITE]}"}
        answer = httpx.patch(
            f"{api.url}/websites/{website}", json={"request_body": "b"}, headers=headers
        )
        assert answer.status_code == 200


def _secrets(database_url, vault, website_id):
    async def read():
        async with make_pool(database_url, max_size=1) as pool:
            return await stored(pool, vault, website_id)

    return asyncio.run(read())


def test_keys_that_do_not_fit_are_found_before_anything_is_started(backup, restored, tmp_path):
    before, _, _ = backup
    _empty_redis(restored)
    (tmp_path / "encryption_keys").write_text(new_key())
    # when
    done = shell("\n".join(RESTORE), tmp_path, **restored)
    # then it ends at the step that says it would
    assert done.returncode == 1
    assert "Synced" not in done.stdout
    assert before[0][0]["id"] in done.stderr
    assert "MONITOR_ENCRYPTION_KEYS" in done.stderr


def test_ticks_are_backed_up_and_restored(influx_server, tmp_path):
    database = "website_ticks_of_a_backup"
    point = "website_ticks,website_id=a,region=europe up=true 1700000000"
    _influx(influx_server, "POST", "/query", q=f"CREATE DATABASE {database}")
    _influx(influx_server, "POST", "/write", content=point, db=database, precision="s")
    backup, restore = commands(section(PAGE, "InfluxDB"))
    settings = {
        "INFLUXDB_BUCKET": database,
        "INFLUXDB_BACKUP": f"127.0.0.1:{influx_server.backup_port}",
    }
    # when
    run(backup, tmp_path, **settings)
    _influx(influx_server, "POST", "/query", q=f"DROP DATABASE {database}")
    run(restore, tmp_path, **settings)
    # then
    # (the server opens what was restored a moment after the command has ended)
    (series,) = wait_until(lambda: _result(influx_server, database).get("series"))
    assert [row[1:] for row in series["values"]] == [["europe", True, "a"]]
    _influx(influx_server, "POST", "/query", q=f"DROP DATABASE {database}")


def _result(server, database):
    query = "SELECT * FROM website_ticks"
    return _influx(server, "GET", "/query", db=database, q=query).json()["results"][0]


def _influx(server, method, path, content=None, **parameters):
    query = "&".join(f"{name}={quote(value)}" for name, value in parameters.items())
    answer = httpx.request(method, f"{server.url}{path}?{query}", content=content)
    assert answer.is_success, answer.text
    return answer
