"""/metrics of workers and scheduler: every process has its own, and takes it along when it ends."""

import contextlib
import os
import signal
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis as redis_client

from monitor.domain import messages
from monitor.local import process
from monitor.queue.broker import Broker
from monitor.runtime.settings import TABLE
from support.factories import recheck_message
from support.metrics import read, value
from support.ports import free_ports
from support.stack import listening_ports, processes_of, wait_until
from support.targets import targets_in_thread

_SCRIPTS = Path(sysconfig.get_path("scripts"))
_TAKEN_FOR_A_TEST = 8


@contextmanager
def running(directory, words, **settings):
    command = [sys.executable, "-P", _SCRIPTS / words[0], *words[1:]]
    environment = dict(os.environ) | {s.name: "" for s in TABLE} | settings
    # Which directory they were started for tells which processes are of this test.
    environment["MONITOR_DATA_DIR"] = str(directory)
    with (directory / "log").open("ab") as log:
        child = process.start(command, log=log, env=environment, cwd=directory)
    try:
        yield child
    finally:
        if child.returncode is None:
            process.stop(child, within_s=10)
        for pid in _processes(directory):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def worker(processes):
    return ("dramatiq", "monitor.actors", "--skip-logging", "--processes", str(processes),
            "--threads", "2", "--worker-shutdown-timeout", "5000")  # fmt: skip


def scrape(port, path="/metrics"):
    """What a port tells, or None where nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            return read(answer.read().decode())
    except urllib.error.HTTPError as error:
        error.close()
        raise
    except OSError:
        return None


def scrape_all(port):
    found = (scrape(port + offset) for offset in range(_TAKEN_FOR_A_TEST))
    return [metrics for metrics in found if metrics is not None]


def _processes(directory):
    return [pid for pid in processes_of(directory) if pid != os.getpid()]


@pytest.fixture
def region(redis_url):
    """The settings of a region worker that serves its metrics, and its first port."""
    port = free_ports(_TAKEN_FOR_A_TEST)
    return port, {
        "REDIS_URL": redis_url,
        "INFLUXDB_URL": "http://127.0.0.1:1",
        "MONITOR_REGION": "europe",
        "MONITOR_METRICS_PORT": str(port),
        "MONITOR_ALLOW_NETWORKS": "127.0.0.0/8",
    }


def test_each_of_two_processes_is_a_target_of_its_own(tmp_path, redis_url, region):
    port, settings = region
    with running(tmp_path, worker(2), **settings):
        first, second = wait_until(lambda: len(f := scrape_all(port)) == 2 and f)
        for metrics in (first, second):
            of = {"role": "region.europe"}
            assert any(of.items() <= dict(k).items() for k in metrics["monitor_process_info"])
            slots = {"region": "europe", "state": "free"}
            assert value(metrics, "monitor_check_slots", **slots) == 2000
            assert value(metrics, "process_resident_memory_bytes") > 0
            assert value(metrics, "process_open_fds") > 0
        # and it is two processes that answer, each on a port of its own
        asked = set(range(port, port + _TAKEN_FOR_A_TEST))
        served = [listening_ports(pid) & asked for pid in _processes(tmp_path)]
        assert sorted(map(len, served)) == [0] * (len(served) - 2) + [1, 1]
        assert len(set.union(*served)) == 2
        # and both are in Redis for the API's metrics
        with redis_client.Redis.from_url(redis_url) as client:
            wait_until(lambda: client.hlen("monitor:workers") == 2)
        # and nothing but /metrics is there
        with pytest.raises(urllib.error.HTTPError, match="404"):
            scrape(port, "/etc/passwd")


@pytest.mark.parametrize("how", ["SIGTERM", "SIGTERM twice", "SIGKILL"])
def test_no_process_and_no_port_outlives_the_main_process(tmp_path, redis_url, region, how):
    port, settings = region
    with running(tmp_path, worker(2), **settings) as child:
        wait_until(lambda: len(scrape_all(port)) == 2)
        assert len(_processes(tmp_path)) >= 3
        # when
        if how == "SIGKILL":
            os.kill(child.pid, signal.SIGKILL)
        elif how == "SIGTERM":
            os.kill(child.pid, signal.SIGTERM)
        else:  # to the group, as Ctrl-C: the workers hear it, and the main process tells them too
            for _ in range(2):
                os.killpg(child.pid, signal.SIGTERM)
        child.wait(15)
        # then
        wait_until(lambda: not _processes(tmp_path), within_s=20)
        assert scrape_all(port) == []
        # and who was asked politely has taken itself off the list
        if how != "SIGTERM twice":
            with redis_client.Redis.from_url(redis_url) as client:
                assert client.hlen("monitor:workers") == 0


async def test_a_worker_counts_what_it_checked(tmp_path, world, redis_url, region):
    port, settings = region
    with targets_in_thread() as target:
        await world.add_region("europe")
        # nobody listens on port 1
        urls = (target.url, "http://127.0.0.1:1/")
        websites = [await world.add_website(url) for url in urls]
        await world.sync()
        with running(tmp_path, worker(1), **settings):
            sender = Broker(redis_url)
            now_ms = int(time.time() * 1000)
            check = recheck_message(websites, slot_ms=now_ms)
            sender.send([messages.check_websites(check)])
            sender.client.close()

            def settled():
                metrics = scrape(port) or {}
                counts = metrics.get("monitor_messages_total", {})
                return sum(counts.values()) and metrics

            metrics = wait_until(settled)
    up = {"region": "europe", "result": "up", "reason": ""}
    down = {"region": "europe", "result": "down", "reason": "connection_refused"}
    assert value(metrics, "monitor_checks_total", **up) == 1
    assert value(metrics, "monitor_checks_total", **down) == 1
    assert value(metrics, "monitor_check_duration_seconds_count", region="europe") == 2
    assert value(metrics, "monitor_batch_lag_seconds_count", region="europe") == 1
    # this InfluxDB does not answer
    assert value(metrics, "monitor_ticks_total", region="europe", fate="kept") == 2
    assert value(metrics, "monitor_ticks_total", region="europe", fate="written") == 0
    done = {"actor": "check_websites", "outcome": "done"}
    assert value(metrics, "monitor_messages_total", **done) == 1
    held = value(metrics, "monitor_message_duration_seconds_sum", actor="check_websites")
    assert held > 0
    assert value(metrics, "monitor_messages_in_progress", actor="check_websites") == 0
    assert value(metrics, "monitor_event_loop_delay_seconds_count", role="region.europe") >= 0


def test_a_message_that_fails_counts_as_failed(tmp_path, redis_url, region):
    port, settings = region
    with running(tmp_path, worker(1), **settings):
        sender = Broker(redis_url)
        sender.send([messages.check_websites(recheck_message(["none"], slot_ms=1))])
        sender.client.close()
        failed = frozenset({("actor", "check_websites"), ("outcome", "failed")})
        wait_until(lambda: (scrape(port) or {}).get("monitor_messages_total", {}).get(failed) == 1)


def test_without_a_port_nothing_is_served_and_the_api_is_told_all_the_same(
    tmp_path, redis_url, region
):
    port, settings = region
    del settings["MONITOR_METRICS_PORT"]
    with running(tmp_path, worker(1), **settings):
        with redis_client.Redis.from_url(redis_url) as client:
            wait_until(lambda: client.hlen("monitor:workers") == 1)
        assert scrape_all(port) == []


def test_the_scheduler_and_a_central_worker_share_a_range(tmp_path, database_url, redis_url):
    port = free_ports(_TAKEN_FOR_A_TEST)
    settings = {
        "REDIS_URL": redis_url, "DATABASE_URL": database_url, "SMTP_HOST": "127.0.0.1",
        "SMTP_FROM": "monitor@example.com",
        "MONITOR_METRICS_PORT": str(port),
    }  # fmt: skip
    with (
        running(tmp_path, ("periodiq", "monitor.actors"), **settings),
        running(tmp_path, worker(1), **settings),
    ):
        found = wait_until(lambda: len(f := scrape_all(port)) == 2 and f)
        by_role = {dict(*m["monitor_process_info"])["role"]: m for m in found}
        assert by_role.keys() == {"scheduler", "central"}
        assert value(by_role["central"], "monitor_batches_emitted_total") == 0
        assert value(by_role["scheduler"], "process_cpu_seconds_total") > 0
    assert scrape_all(port) == []
