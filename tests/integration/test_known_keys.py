"""A key that a running process does not know encrypts nothing."""

import json

import psycopg
import pytest
import redis

from monitor.domain.capacity import WorkerLimits
from monitor.domain.errors import SettingsError
from monitor.local.directory import DataDirectory
from monitor.local.processes import Locations, stack_settings
from monitor.metrics.worker_stats import Meter
from monitor.services.secrets.known_keys import Process, refuse_unknown_key, running
from monitor.services.secrets.vault import Vault, fingerprint, new_key
from monitor.services.workers.heartbeat import Heartbeat
from monitor.storage.redis.processes import Process as Report
from monitor.storage.redis.processes import Processes
from monitor.storage.redis.workers import FRESH_S, Workers
from support.secretive import SECRETS, WORD
from support.served_api import forget_killed, served, serving
from support.stack import wait_until

OLD, NEW, OTHER = new_key(), new_key(), new_key()


def _api(*keys):
    return Process("API", True, [fingerprint(key) for key in keys])


def _worker(*keys):
    return Process("worker of europe", False, [fingerprint(key) for key in keys])


SILENT = Process("worker of asia", False, None)


@pytest.mark.parametrize(
    ("processes", "said"),
    [
        ([], None),
        ([_api(NEW, OLD), _api(NEW), _worker(OLD, NEW)], None),
        ([_api(OLD), _api(NEW, OLD), _worker(NEW)], r"\(1 x API\)"),
        ([_api(NEW), _worker(OLD), _worker(OLD)], r"\(2 x worker of europe\)"),
        ([_api(), _worker(NEW)], r"\(1 x API\)"),
        ([_api(NEW), SILENT], r"\(1 x worker of asia of an older version\)"),
        ([_api(NEW, OLD), _api(OLD, NEW), _worker(NEW)], "The API encrypts with another key"),
    ],
)
def test_all_processes_must_read_what_the_key_encrypts_and_the_api_use_it(processes, said):
    vault = Vault([NEW, OLD])
    if said is None:
        refuse_unknown_key(vault, processes)
        return
    with pytest.raises(SettingsError, match=said) as caught:
        refuse_unknown_key(vault, processes)
    # and the steps in their order
    text = str(caught.value)
    assert "nothing was changed" in text
    steps = ["behind the others", "restart them", "put it first", "restart the API", "run this"]
    assert sorted(steps, key=text.index) == steps
    assert NEW not in text


def test_a_fingerprint_does_not_reveal_its_key():
    assert len({fingerprint(key) for key in (OLD, NEW, OTHER)}) == 3
    assert fingerprint(OLD) not in OLD
    assert len(fingerprint(OLD)) == 16


async def test_processes_are_known_while_they_are_heard_of(world):
    heartbeat = Heartbeat(
        Workers(world.redis), "europe", limits=WorkerLimits(4, 2000), meter=Meter(),
        message_s=lambda: 0.0, now=lambda: now_s, keys=Vault([OLD, NEW]).fingerprints,
    )  # fmt: skip
    now_s = (await world.redis.time())[0]
    processes = Processes(world.redis)
    await heartbeat.beat()
    killed_s = now_s - FRESH_S - 5
    await processes.report("a", Report("api", "1", now_s, list(Vault([NEW]).fingerprints)))
    await processes.report("c", Report("central", "1", now_s))
    await processes.report("k", Report("api", "1", killed_s, list(Vault([OTHER]).fingerprints)))
    # then
    assert await running(world.redis) == [_api(NEW), _worker(OLD, NEW)]
    # when they end
    await heartbeat.close()
    await processes.forget("a")
    assert await running(world.redis) == []


def _first_token(database_url):
    with psycopg.connect(database_url) as connection:
        query = "SELECT options->>'request_body', encrypted->>'request_body' FROM websites"
        return connection.execute(query).fetchone()


def test_a_first_key_is_refused_until_the_api_has_it(database_url, redis_url, tmp_path):
    stores = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    log = tmp_path / "api.log"
    with served(database_url, redis_url, tmp_path) as api:
        # given an API without a key, and a secret
        assert api.http.post("/websites", json={"url": "https://a.example", **SECRETS}).is_success
        wait_until(lambda: b"secrets.stored_in_the_clear" in log.read_bytes())
        assert log.read_bytes().count(b"secrets.stored_in_the_clear") == 1
        assert WORD.encode() not in log.read_bytes()
        wait_until(lambda: _keyrings(redis_url))
        key = api.monitor("secrets", "key").stdout.decode().strip()
        stores["MONITOR_ENCRYPTION_KEYS"] = key
        # when
        refused = api.monitor("secrets", "rotate", **stores)
        # then
        assert (refused.returncode, refused.stdout) == (1, b"")
        assert refused.stderr.startswith(b"monitor: The first key of MONITOR_ENCRYPTION_KEYS is")
        assert b"(1 x API)" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
        assert _first_token(database_url)[1] is None
        none = api.monitor("secrets", "rotate", **stores | {"MONITOR_ENCRYPTION_KEYS": ""})
        assert none.returncode == 1
        assert none.stderr.startswith(b"monitor: MONITOR_ENCRYPTION_KEYS is not set")
    # given that it was killed long ago, and is started with the key
    forget_killed(redis_url)
    with serving(database_url, redis_url, tmp_path, api.keys, MONITOR_ENCRYPTION_KEYS=key) as api:
        # then every start says what is in the clear still
        wait_until(lambda: b"secrets.stored_in_the_clear" in log.read_bytes())
        (line,) = [x for x in log.read_bytes().splitlines() if b"in_the_clear" in x]
        assert b"secrets rotate" in line
        wait_until(lambda: _keyrings(redis_url))
        # when
        done = api.monitor("secrets", "rotate", **stores)
        # then
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout == b"Encrypted the secrets of 1 websites anew.\n"
        shown, token = _first_token(database_url)
        assert (shown, token[:5]) == ("********", "gAAAA")
        (website,) = api.websites()
        sent = {"request_body": "********", "name": "b"}
        assert api.http.patch(f"/websites/{website['id']}", json=sent).is_success


def _keyrings(redis_url):
    with redis.Redis.from_url(redis_url) as connection:
        return connection.hgetall("monitor:processes")


@pytest.fixture
def stack(database_url, redis_url, tmp_path):
    """The directory of a running stack, with these stores and a key of its own."""
    directory = DataDirectory(tmp_path / "data")
    users = {"MONITOR_ENCRYPTION_KEYS": OLD, "SMTP_HOST": "mail.invalid", "SMTP_PASS": "a'b\\ #",
             "SMTP_USER": "me"}  # fmt: skip
    settings = stack_settings(users, Locations(database_url, redis_url, 2525), directory.path)
    with directory.lock(), directory.publish_settings(settings):
        yield directory


def test_every_command_beside_a_stack_takes_all_of_its_settings(stack, database_url, redis_url):
    stores = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    beside = {"MONITOR_DATA_DIR": str(stack.path)}
    with served(database_url, redis_url, stack.path, MONITOR_ENCRYPTION_KEYS=OLD) as api:
        assert api.http.post("/websites", json={"url": "https://a.example", **SECRETS}).is_success
        wait_until(lambda: _keyrings(redis_url))
        # then
        for command in ("secrets rotate", "sync", "keys list", "migrate"):
            done = api.monitor(*command.split(), **beside)
            assert (done.returncode, done.stderr) == (0, b""), command
        # and a key of the caller's goes before the stack's, as in `make up`: unknown, or known
        new = api.monitor("secrets", "rotate", **beside, MONITOR_ENCRYPTION_KEYS=NEW)
        assert (new.returncode, b"(1 x API)" in new.stderr) == (1, True)
        same = api.monitor("secrets", "rotate", **beside, MONITOR_ENCRYPTION_KEYS=OLD)
        assert (same.returncode, same.stdout) == (0, b"Encrypted the secrets of 0 websites anew.\n")
        # but who names a store gets nothing of the stack's
        own = api.monitor("secrets", "rotate", **beside, **stores)
        assert own.stderr.startswith(b"monitor: MONITOR_ENCRYPTION_KEYS is not set")


def test_what_a_stack_publishes_is_what_others_read(stack):
    found = stack.published_settings()
    assert (found["SMTP_PASS"], found["MONITOR_ENCRYPTION_KEYS"]) == ("a'b\\ #", OLD)
    assert stack.environment.stat().st_mode & 0o777 == 0o600
    # and a stack that an earlier version started is understood, too
    stack.environment.write_text("DATABASE_URL='postgresql://x'\nMONITOR_API_KEY='k'\n")
    found = {"DATABASE_URL": "postgresql://x", "MONITOR_API_KEY": "k"}
    assert stack.published_settings() == found
    stack.environment.write_text(json.dumps(found | {"OF_A_NEWER_VERSION": "x"}))
    assert stack.published_settings()["MONITOR_API_KEY"] == "k"
