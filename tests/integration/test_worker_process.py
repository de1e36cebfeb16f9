"""Worker and scheduler as processes: what they need, what they refuse, how they end."""

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import dramatiq
import psycopg
import pytest
import redis as redis_client

from monitor.domain import messages
from monitor.domain.messages import SYNC_QUEUE, UPKEEP_QUEUE
from monitor.domain.series import HOUR_S
from monitor.queue.broker import Broker
from monitor.storage.redis import keys
from support.closing import deliver_all, down, pause
from support.factories import recheck_message
from support.mailbox import Mailbox
from support.products import command, environment, running, until, worker
from support.targets import answers, silent, targets_in_thread

_WORKER = worker()
_MAIL = {"SMTP_HOST": "127.0.0.1", "SMTP_FROM": "monitor@example.com"}


@pytest.mark.parametrize(
    ("words", "settings", "named"),
    [
        (_WORKER, {}, "REDIS_URL"),
        (_WORKER, {"REDIS_URL": "redis://127.0.0.1:1/0"}, "DATABASE_URL"),
        (_WORKER, {"REDIS_URL": "http://127.0.0.1/"}, "REDIS_URL"),
        (
            _WORKER,
            {"REDIS_URL": "redis://127.0.0.1:1/0", "DATABASE_URL": "postgresql://127.0.0.1/x"},
            "SMTP_HOST",
        ),
        (
            _WORKER,
            {
                "REDIS_URL": "redis://127.0.0.1:1/0",
                "DATABASE_URL": "postgresql://127.0.0.1/x",
                "SMTP_HOST": "127.0.0.1",
            },
            "SMTP_FROM",
        ),
        (
            _WORKER,
            {"REDIS_URL": "redis://127.0.0.1:1/0", "MONITOR_REGION": "europe"},
            "DATABASE_URL",
        ),
        (
            _WORKER,
            {"REDIS_URL": "redis://127.0.0.1:1/0", "MONITOR_REGION": "Not ok"},
            "MONITOR_REGION",
        ),
        (("periodiq", "monitor.actors"), {}, "REDIS_URL"),
    ],
)
def test_a_missing_or_malformed_setting_stops_it_with_one_sentence(
    tmp_path, words, settings, named
):
    # when
    done = subprocess.run(
        command(words), env=environment(settings), cwd=tmp_path, timeout=30,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    # then
    assert done.returncode != 0
    assert named in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def _threads_of_children(pid):
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [int(t.name) for child in children for t in Path(f"/proc/{child}/task").iterdir()]


def _niceness(thread):
    return os.getpriority(os.PRIO_PROCESS, thread)


def test_a_region_worker_needs_no_postgres_and_serves_its_own_queue_only(tmp_path, redis_url):
    # given a message for each of two regions, and an InfluxDB that need not answer
    with redis_client.Redis.from_url(redis_url) as client:
        sender = Broker(redis_url)
        for region in ("europe", "asia"):
            check = recheck_message(region=region, website_ids=[], slot_ms=int(time.time() * 1000))
            sender.send([messages.check_websites(check)])
        settings = {"INFLUXDB_URL": "http://127.0.0.1:1", "MONITOR_REGION": "europe"}
        # when
        with running(_WORKER, tmp_path / "log", REDIS_URL=redis_url, **settings) as process:
            until(lambda: client.hlen("dramatiq:checks.europe.msgs") == 0)
            niceness = set(map(_niceness, _threads_of_children(process.pid)))
            session = Path(f"/proc/{process.pid}/autogroup")
            among_sessions = session.read_text() if session.exists() else ""
        # then
        assert client.hlen("dramatiq:checks.asia.msgs") == 1
        # and it lets others go first
        assert niceness == {5}
        assert among_sessions == "" or among_sessions.endswith(" nice 5\n")
        sender.client.close()


def test_malformed_message_is_dead_lettered_and_logged(tmp_path, redis_url):
    # given
    sender = Broker(redis_url)
    for payload in (
        {"v": 1},
        "text",
        {"v": 1, "region": "europe", "website_ids": [], "slot_ms": "soon"},
    ):
        sender.enqueue(
            dramatiq.Message("checks.europe", "check_websites", (), {"payload": payload}, {})
        )
    settings = {"INFLUXDB_URL": "http://127.0.0.1:1", "MONITOR_REGION": "europe"}
    log = tmp_path / "log"
    with redis_client.Redis.from_url(redis_url) as client:
        # when
        with running(_WORKER, log, REDIS_URL=redis_url, **settings):
            until(lambda: client.zcard("dramatiq:checks.europe.XQ") == 3)
        # then nothing is tried again
        assert client.hlen("dramatiq:checks.europe.msgs") == 0
        assert client.hlen("dramatiq:checks.europe.DQ.msgs") == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [x["event"] for x in lines].count("message.refused") == 3
    sender.client.close()


def test_a_minutes_work_without_postgres_is_skipped_and_leaves_no_dead_letter(tmp_path, redis_url):
    # given
    sender, log = Broker(redis_url), tmp_path / "log"
    sender.enqueue(dramatiq.Message("incidents", "sweep_missed", (), {}, {}))
    settings = _MAIL | {"DATABASE_URL": "postgresql://127.0.0.1:1/nothing"}
    with redis_client.Redis.from_url(redis_url) as client:
        # when
        with running(_WORKER, log, REDIS_URL=redis_url, **settings):
            until(lambda: client.hlen("dramatiq:incidents.msgs") == 0)
        # then
        assert client.zcard("dramatiq:incidents.XQ") == 0
    assert "periodic.skipped" in log.read_text()
    assert "Traceback" not in log.read_text()
    sender.client.close()


async def test_a_pause_is_told_at_once(tmp_path, world, database_url, redis_url):
    # given a website whose recipient was told that it is down
    await world.add_region("europe")
    (website,) = await down(world, "http://example.com/")
    await deliver_all(world.pool)
    with Mailbox() as mailbox:
        settings = {
            "REDIS_URL": redis_url, "DATABASE_URL": database_url, "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(mailbox.port), "SMTP_TLS": "none",
            "SMTP_FROM": "monitor@example.org",
        }  # fmt: skip
        sender = Broker(redis_url)
        # when, without a scheduler, only the message of the change is sent
        await pause(world, website)
        sender.send([messages.sync_changes()])
        with running(_WORKER, tmp_path / "log", **settings):
            until(lambda: mailbox.mails)
        sender.client.close()
    # then
    (mail,) = mailbox.mails
    assert mail["Subject"].startswith("Paused: example.com")


@pytest.mark.parametrize("times", [1, 2])
async def test_worker_stops_during_a_batch(tmp_path, world, database_url, redis_url, times):
    # given a check that would take a minute
    with targets_in_thread(silent) as target:
        await world.add_region("europe")
        website = await world.add_website(target.url)
        slow = '{"request_timeout": 60}'
        await world.execute("UPDATE websites SET options = options || %s::jsonb", slow)
        await world.sync()
        settings = {
            "REDIS_URL": redis_url, "DATABASE_URL": database_url, "MONITOR_REGION": "europe",
            "MONITOR_ALLOW_NETWORKS": "127.0.0.0/8",
        }  # fmt: skip
        log = tmp_path / "log"
        with running(_WORKER, log, **settings) as child:
            sender = Broker(redis_url)
            now_ms = int(time.time() * 1000)
            check = recheck_message([website], slot_ms=now_ms)
            sender.send([messages.check_websites(check)])
            until(lambda: target.open == 1)
            # when the whole group is told, as Ctrl-C and systemd do it
            for _ in range(times):
                os.killpg(child.pid, signal.SIGTERM)
            began = time.monotonic()
            child.wait(15)
            # then it is gone soon
            assert time.monotonic() - began < 10
        # and, told once or at once again, it has handed back what it had begun
        with redis_client.Redis.from_url(redis_url) as client:
            queued = sum(client.llen(f"dramatiq:checks.europe{kind}") for kind in ("", ".DQ"))
        assert queued == 1
        assert "Traceback" not in log.read_text()
        sender.client.close()


def test_central_worker_requeues_a_roll_up_on_shutdown(tmp_path, database_url, redis_url):
    # given an InfluxDB that takes its time over an hour
    asked = threading.Event()

    async def behave(exchange):
        received = await exchange.request()
        if "chunked=true" not in received.target:
            await answers(204, b"")(exchange)
            return
        asked.set()
        await exchange.gone()

    with (
        targets_in_thread(behave) as influx,
        redis_client.Redis.from_url(redis_url) as client,
    ):
        # Two hours are to be made: the last one may have ended a minute ago, and wait.
        client.set(keys.ROLLED_UP, int(time.time()) // HOUR_S * HOUR_S - 3 * HOUR_S)
        settings = _MAIL | {
            "REDIS_URL": redis_url, "DATABASE_URL": database_url,
            "INFLUXDB_URL": influx.url.rstrip("/"),
        }  # fmt: skip
        sender = Broker(redis_url)
        sender.enqueue(dramatiq.Message(UPKEEP_QUEUE, "roll_up", (), {}, {}))
        log = tmp_path / "log"
        with running(_WORKER, log, **settings) as child:
            assert asked.wait(60)
            # when, then
            _ends_soon_when_told(child)
        _left_to_others(client, UPKEEP_QUEUE, log)
        sender.client.close()


def test_central_worker_brings_figures_of_lists_up_to_the_hour_it_rolls_up(
    tmp_path, database_url, redis_url
):
    # given hours that are over and not rolled up
    rolled_up_s = int(time.time()) // HOUR_S * HOUR_S - 4 * HOUR_S
    settings = _MAIL | {"REDIS_URL": redis_url, "DATABASE_URL": database_url}
    sender = Broker(redis_url)
    with (
        redis_client.Redis.from_url(redis_url) as client,
        psycopg.connect(database_url, autocommit=True) as watching,
    ):
        client.set(keys.ROLLED_UP, rolled_up_s)
        # when
        sender.enqueue(dramatiq.Message(UPKEEP_QUEUE, "roll_up", (), {}, {}))

        def figures_until_s():
            row = watching.execute("SELECT extract(epoch FROM until) FROM figures_as_of").fetchone()
            return 0 if row is None else row[0]

        # then
        with running(_WORKER, tmp_path / "log", **settings):
            until(lambda: figures_until_s() >= rolled_up_s + 3 * HOUR_S)
    sender.client.close()


async def test_central_worker_requeues_a_full_sync_on_shutdown(
    tmp_path, world, database_url, redis_url
):
    await world.sync()  # else the worker does that first
    settings = _MAIL | {"REDIS_URL": redis_url, "DATABASE_URL": database_url}
    log = tmp_path / "log"
    with (
        redis_client.Redis.from_url(redis_url) as client,
        psycopg.connect(database_url) as holder,
        psycopg.connect(database_url, autocommit=True) as watching,
        running(_WORKER, log, **settings) as child,
    ):
        # given a full sync that waits for Postgres
        holder.execute("LOCK TABLE websites IN ACCESS EXCLUSIVE MODE")
        sender = Broker(redis_url)
        sender.enqueue(dramatiq.Message(SYNC_QUEUE, "full_sync", (), {}, {}))
        waits = (
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND query LIKE 'SELECT count(*) FROM websites%'"
        )
        until(lambda: watching.execute(waits).fetchone())
        # when, then
        _ends_soon_when_told(child)
        _left_to_others(client, SYNC_QUEUE, log)
        sender.client.close()


def _ends_soon_when_told(child):
    os.killpg(child.pid, signal.SIGTERM)
    began = time.monotonic()
    child.wait(15)
    assert time.monotonic() - began < 10


def _left_to_others(client, queue, log):
    names = (f"dramatiq:{queue}", f"dramatiq:{queue}.DQ")
    assert sum(client.llen(name) for name in names) == 1
    (left,) = [m for name in names for m in client.hvals(f"{name}.msgs")]
    # then it is no failed try of the message
    assert dramatiq.Message.decode(left).options["retries"] == 0
    assert client.zcard(f"dramatiq:{queue}.XQ") == 0
    assert "Traceback" not in log.read_text()
