"""`monitor up` as a whole: started, seen, broken, stopped, and started again."""

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.local.redis import free_port
from support.stack import RunningStack, wait_until

PROGRAMS = {
    "api": "monitor",
    "scheduler": "periodiq",
    "(central|local)": "dramatiq",
    "postgres": "postgres",
    "redis": "redis-server",
}
MONITOR = Path(sys.executable).with_name("monitor")


@pytest.fixture
def start(tmp_path):
    """Start stacks; all of them end with the test."""
    running = []

    def begin(*words, data_dir=tmp_path / "data with space", port=None, **given):
        stack = RunningStack(
            [sys.executable, "-P", MONITOR, "up", *words],
            data_dir,
            port or free_port(),
            cwd=tmp_path,
            **given,
        )
        running.append(stack)
        return stack

    yield begin
    for stack in running:
        with stack:
            pass


def test_it_tells_where_it_is_and_stops_within_five_seconds(start):
    # given
    stack = start().ready()
    # then
    assert f"The API is at {stack.url}" in stack.text
    assert stack.key in stack.text
    assert stat.S_IMODE((stack.data_dir / "api_key").stat().st_mode) == 0o600
    assert stack.data_dir.stat().st_mode & 0o066 == 0
    assert stack.request("GET", "/regions")[1]["items"][0]["name"] == "local"
    # when
    seconds, left = stack.stop()
    # then
    assert (seconds < 5, left, stack.process.returncode) == (True, [], 0)


def test_a_second_start_finds_key_and_data(start):
    # given
    first = start().ready()
    key = first.key
    status, made = first.request("POST", "/websites", {"url": "http://127.0.0.1:9/"})
    first.stop()
    # when
    second = start().ready()
    # then
    assert status == 201
    assert second.key == key
    assert second.request("GET", f"/websites/{made['id']}")[0] == 200


def test_a_key_that_does_not_work_any_more_is_replaced(start):
    # given
    first = start().ready()
    revoked = f"{first.key[:-3]}AAA"
    first.stop()
    (first.data_dir / "api_key").write_text(f"{revoked}\n")
    # when
    second = start().ready()
    # then
    assert second.key != revoked
    assert second.request("GET", "/websites")[0] == 200


def test_two_stacks_run_side_by_side(start, tmp_path):
    # given
    one, other = start(data_dir=tmp_path / "one"), start(data_dir=tmp_path / "other")
    one.ready()
    other.ready()
    # when
    one.request("POST", "/websites", {"url": "http://127.0.0.1:9/", "external_id": "only in one"})
    # then
    assert len(one.request("GET", "/websites")[1]["items"]) == 1
    assert other.request("GET", "/websites")[1]["items"] == []
    assert one.stop()[1] == []
    assert other.is_ready()


def test_a_second_stack_on_the_same_directory_is_refused(start):
    # given
    stack = start().ready()
    # when
    done = subprocess.run(
        [sys.executable, "-P", MONITOR, "up"],
        env={"MONITOR_DATA_DIR": str(stack.data_dir), "MONITOR_API_PORT": str(free_port())},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    # then
    assert done.returncode == 1
    assert done.stderr.startswith("monitor: A stack already runs on ")
    assert len(done.stderr.splitlines()) == 1
    assert stack.is_ready()


def test_a_port_that_is_taken_is_named(start):
    # given
    with socket.create_server(("127.0.0.1", 0)) as owner:
        stack = start(port=owner.getsockname()[1])
        # when
        stack.process.wait(30)
    # then
    assert stack.process.returncode == 1
    assert "MONITOR_API_PORT" in stack.wait_for("monitor: .*").group()


def test_what_is_killed_is_started_again(start):
    # given
    stack = start().ready()
    for who, program in PROGRAMS.items():
        # when
        killed = wait_until(lambda program=program: stack.children(program))[0]
        os.kill(killed, signal.SIGKILL)
        # then
        stack.wait_for(rf"{who} +ended \(SIGKILL\), starts again in 1 s")
        wait_until(lambda program=program, killed=killed: set(stack.children(program)) - {killed})
        wait_until(stack.is_ready)
    seconds, left = stack.stop()
    assert (seconds < 5, left) == (True, [])


def test_a_killed_stack_leaves_nothing_and_the_next_one_starts(start):
    # given
    first = start().ready()
    # when
    os.kill(first.process.pid, signal.SIGKILL)
    second = start().ready()
    # then
    assert second.is_ready()
    second.stop()
    wait_until(lambda: not first.left(), within_s=10)


def test_down_stops_it_from_elsewhere(start):
    # given
    stack = start().ready()
    # when
    done = subprocess.run(
        [sys.executable, "-P", MONITOR, "down"],
        env={"MONITOR_DATA_DIR": str(stack.data_dir)},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    # then
    assert f"(process {stack.process.pid})" in done.stdout
    assert stack.process.wait(5) == 0
    assert stack.left() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_end_it_too(start, number):
    # given
    stack = start().ready()
    # when
    os.kill(stack.process.pid, number)
    # then
    assert stack.process.wait(5) == 0
    assert stack.left() == []


def test_it_can_be_stopped_while_it_starts(start):
    # given
    stack = start()
    stack.wait_for("starting PostgreSQL")
    # when
    seconds, left = stack.stop()
    # then
    assert (seconds < 5, left) == (True, [])
    start().ready()


def test_settings_of_the_user_are_honoured_except_the_servers(start, tmp_path):
    # given
    (tmp_path / ".env").write_text(
        "MONITOR_REGION=elsewhere\nDATABASE_URL=postgresql://127.0.0.1:9/x\n"
        "REDIS_URL=redis://127.0.0.1:9\nSMTP_HOST=mail.invalid\nALERT_EMAIL_TO=me@mail.invalid\n"
    )
    # when
    stack = start().ready()
    # then
    assert "Mails leave through mail.invalid" in stack.text
    wait_until(lambda: len(stack.children("dramatiq")) == 2)
    environments = [
        Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") for pid in stack.children("dramatiq")
    ]
    assert sorted(v for e in environments for v in e if v.startswith(b"MONITOR_REGION=")) == [
        b"MONITOR_REGION=",
        b"MONITOR_REGION=local",
    ]
    assert all(b"ALERT_EMAIL_TO=me@mail.invalid" in e for e in environments)


def test_the_demo_is_one_website_however_often_it_is_started(start):
    def demo_websites(stack):
        items = stack.request("GET", "/websites")[1]["items"]
        return [(w["external_id"], w["check_frequency"], w["paused"]) for w in items]

    # given
    first = start("--demo")
    first.wait_for("is watched as the website 'demo'")
    # then
    assert demo_websites(first) == [("demo", 30, False)]
    first.stop()
    # when: started without, it is not served and so not watched
    plain = start()
    plain.wait_for("the demo website is paused")
    assert demo_websites(plain) == [("demo", 30, True)]
    plain.stop()
    again = start("--demo")
    again.wait_for("is watched as the website 'demo'")
    # then
    assert demo_websites(again) == [("demo", 30, False)]
