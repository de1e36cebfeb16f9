"""`monitor up` as a whole: started, seen, broken, stopped, and started again."""

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.local import demo
from monitor.local.http import LocalApi
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

    def begin(data_dir=tmp_path / "data with space", port=None):
        command = [sys.executable, "-P", MONITOR, "up"]
        stack = RunningStack(command, data_dir, port or free_port(), cwd=tmp_path)
        running.append(stack)
        return stack

    yield begin
    for stack in running:
        with stack:
            pass


def run_monitor(*words, **environment):
    return subprocess.run(
        [sys.executable, "-P", MONITOR, *words],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_it_tells_where_it_is_stops_in_time_and_comes_back_with_its_data(start):
    # given
    first = start().ready()
    key = first.key
    # then
    assert f"The API is at {first.url}" in first.text
    assert key in first.text
    assert "Websites at 127.0.0.0/8, ::1/128 may be watched here" in first.text
    assert stat.S_IMODE((first.data_dir / "api_key").stat().st_mode) == 0o600
    assert first.data_dir.stat().st_mode & 0o066 == 0
    assert first.request("GET", "/regions")[1]["items"][0]["name"] == "local"
    # when
    made = first.request("POST", "/websites", {"url": "http://127.0.0.1:9/"})[1]
    seconds, left = first.stop()
    second = start().ready()
    # then
    assert (seconds < 10, left, first.process.returncode) == (True, [], 0)
    assert second.key == key
    assert second.request("GET", f"/websites/{made['id']}")[0] == 200


def test_two_stacks_run_side_by_side_but_not_on_one_directory(start, tmp_path):
    # given
    one, other = start(tmp_path / "one"), start(tmp_path / "other")
    one.ready()
    other.ready()
    # when
    one.request("POST", "/websites", {"url": "http://127.0.0.1:9/"})
    third = run_monitor("up", MONITOR_DATA_DIR=str(one.data_dir), MONITOR_API_PORT=str(free_port()))
    # then
    assert len(one.request("GET", "/websites")[1]["items"]) == 1
    assert other.request("GET", "/websites")[1]["items"] == []
    assert third.returncode == 1
    assert third.stderr.startswith("monitor: A stack already runs on ")
    assert len(third.stderr.splitlines()) == 1
    assert one.stop()[1] == []
    assert other.is_ready()


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
    assert (seconds < 10, left) == (True, [])


def test_a_killed_stack_leaves_nothing_and_the_next_one_starts(start):
    # given
    first = start().ready()
    left = set(first.left())
    # when
    os.kill(first.process.pid, signal.SIGKILL)
    second = start().ready()
    # then
    assert second.is_ready()
    assert left & set(second.left()) == set()
    assert second.stop()[1] == []


def test_down_stops_it_from_elsewhere(start):
    # given
    stack = start().ready()
    # when
    done = run_monitor("down", MONITOR_DATA_DIR=str(stack.data_dir))
    # then
    assert f"(process {stack.process.pid})" in done.stdout
    assert (stack.process.wait(5), stack.left()) == (0, [])


def test_commands_beside_it_find_its_servers(start):
    # given
    stack = start().ready()
    file = stack.data_dir / "environment"
    here = {"MONITOR_DATA_DIR": str(stack.data_dir)}
    # then
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # when
    made = run_monitor("keys", "create", "--name", "dashboard", "--role", "read", **here)
    # then
    assert (made.returncode, made.stderr) == (0, "")
    assert "dashboard" in run_monitor("keys", "list", **here).stdout
    assert "up to date" in run_monitor("migrate", **here).stdout
    assert run_monitor("sync", **here).stdout.startswith("Synced 0 websites")
    assert run_monitor("export", **here).returncode == 0
    # and what is set wins, even if only a half of it is
    abroad = run_monitor("export", **here, MONITOR_URL="http://127.0.0.1:1")
    assert "set MONITOR_API_KEY" in abroad.stderr
    elsewhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nowhere"}
    assert "postgres: " in run_monitor("keys", "list", **here, **elsewhere).stderr
    half = run_monitor("sync", **here, REDIS_URL="redis://127.0.0.1:1/0")
    assert "DATABASE_URL is not set" in half.stderr
    # when it has ended, or was killed and left the file
    told = file.read_text()
    stack.stop()
    assert not file.exists()
    file.write_text(told)
    # then
    assert "DATABASE_URL is not set" in run_monitor("keys", "list", **here).stderr


def test_a_terminal_that_closes_ends_it(start):
    # given
    stack = start().ready()
    # when
    os.kill(stack.process.pid, signal.SIGHUP)
    # then
    assert (stack.process.wait(5), stack.left()) == (0, [])


def test_it_can_be_stopped_while_it_starts_and_starts_again(start):
    # given
    stack = start()
    stack.wait_for("starting PostgreSQL")
    # when
    seconds, left = stack.stop()
    # then
    assert (seconds < 10, left) == (True, [])
    start().ready()


def test_the_demo_is_one_website_however_often_it_is_added(start):
    # given
    stack = start().ready()
    api = LocalApi("127.0.0.1", int(stack.url.rpartition(":")[2]), stack.key)

    def demo_websites():
        items = stack.request("GET", "/websites")[1]["items"]
        return [(w["url"], w["external_id"], w["check_frequency"], w["paused"]) for w in items]

    # when
    said = demo.watch(api, "http://127.0.0.1:9/")
    # then
    assert said == "http://127.0.0.1:9/ is watched as the website 'demo', every 30 s"
    assert demo_websites() == [("http://127.0.0.1:9/", "demo", 30, False)]
    # when
    assert "is paused" in demo.pause(api)
    assert demo.pause(api) is None
    # then
    assert demo_websites() == [("http://127.0.0.1:9/", "demo", 30, True)]
    # when: on another port
    demo.watch(api, "http://127.0.0.1:10/")
    # then
    assert demo_websites() == [("http://127.0.0.1:10/", "demo", 30, False)]
