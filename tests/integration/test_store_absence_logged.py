"""A worker says in one line that a store is away, and retries its messages until it is back."""

import json

import psycopg
import pytest

from monitor.domain import messages
from monitor.storage.postgres.migrations import migrate
from support.breakable import start_postgres
from support.products import running, until, worker


@pytest.fixture
def postgres(servers_directory, tmp_path):
    directory = servers_directory / f"postgres-{tmp_path.name}"
    directory.mkdir()
    server = start_postgres(None, directory, tmp_path / "postgres.log")
    migrate(server.url)
    yield server
    server.close()


def _lines(log, event):
    lines = (json.loads(x) for x in log.read_text().splitlines() if x.startswith("{"))
    return [line for line in lines if line["event"] == event]


@pytest.mark.parametrize("absence", ["kill", "pause"])
def test_a_central_worker_without_postgres_logs_lines_and_goes_on(
    postgres, broker, redis_url, tmp_path, absence
):
    log = tmp_path / "log"
    settings = {
        "DATABASE_URL": postgres.url, "REDIS_URL": redis_url,
        "SMTP_HOST": "127.0.0.1", "SMTP_FROM": "monitor@example.org",
    }  # fmt: skip
    with running(worker(), log, **settings):
        # given one that works
        until(lambda: broker.client.exists("monitor:marker"))
        # when Postgres is away
        getattr(postgres, absence)()
        broker.send([messages.sync_changes()])
        until(lambda: _lines(log, "message.failed"))
        # and is back
        {"kill": postgres.start, "pause": postgres.resume}[absence]()
        with psycopg.connect(postgres.url) as connection:
            connection.execute("INSERT INTO changes (check_now) VALUES (false)")
        until(lambda: postgres.rows("SELECT 1 FROM changes") == [])
    # then
    (line, *_) = _lines(log, "message.failed")
    assert line["actor"] == "sync_changes"
    assert line["error"].startswith("postgres: ")
    assert line["level"] == "warning"
    assert "Traceback" not in log.read_text()
