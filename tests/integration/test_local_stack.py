"""`monitor up` as a whole: started, seen, broken, stopped, and started again."""

import asyncio
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from monitor.local import demo
from monitor.local.http import LocalApi
from monitor.runtime.settings import TABLE
from support.places import open_way
from support.ports import free_port
from support.recorded_influx import DAY_S, TOKEN, Recorded2, Recorded3, granted, running
from support.stack import RunningStack, wait_until

PROGRAMS = {
    "api": "monitor",
    "scheduler": "periodiq",
    "(central|local)": "dramatiq",
    "postgres": "postgres",
    "redis": "redis-server",
}
MONITOR = Path(sys.executable).with_name("monitor")
_COMMAND = [sys.executable, "-P", MONITOR, "up"]


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """One that runs for all the tests that do not end it."""
    folder = tmp_path_factory.mktemp("stack")
    with RunningStack(_COMMAND, folder / "data with space", free_port(), cwd=folder) as found:
        yield found.ready()
        # however often something in it was killed
        seconds, left = found.stop()
        assert (seconds < 30, left) == (True, [])


@pytest.fixture
def start(tmp_path):
    """Start stacks; all of them end with the test."""
    running = []

    def begin(data_dir=tmp_path / "data with space", port=None, before=(), **env):
        command = [*before, *_COMMAND]
        stack = RunningStack(command, data_dir, port or free_port(), env=env, cwd=tmp_path)
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


def test_the_stack_prints_its_url_and_keeps_its_files_private(stack):
    assert f"The API is at {stack.url}" in stack.text
    assert stack.key in stack.text
    assert "Websites at 127.0.0.0/8, ::1/128 may be watched here" in stack.text
    assert stat.S_IMODE((stack.data_dir / "api_key").stat().st_mode) == 0o600
    assert stack.data_dir.stat().st_mode & 0o066 == 0
    assert stack.request("GET", "/regions")[1]["items"][0]["name"] == "local"


def test_secrets_of_before_there_was_a_key_are_encrypted_beside_the_stack(stack):
    # given one that the stack encrypted, and one that was stored in the clear
    made = stack.request("POST", "/websites", {"url": "http://127.0.0.1:9/", "request_body": "s"})
    published = json.loads((stack.data_dir / "environment").read_text())
    assert set(published) == {s.name for s in TABLE}
    with psycopg.connect(published["DATABASE_URL"]) as connection:
        connection.execute(
            """UPDATE websites SET options = options || '{"request_body": "s"}', encrypted = NULL
                WHERE id = %s""",
            [made[1]["id"]],
        )
    # when
    done = run_monitor("secrets", "rotate", MONITOR_DATA_DIR=str(stack.data_dir))
    # then
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Encrypted the secrets of 1 websites anew.\n"
    # and another key, which no process of the stack knows, is refused
    key = run_monitor("secrets", "key").stdout.strip()
    beside = {"MONITOR_DATA_DIR": str(stack.data_dir), "MONITOR_ENCRYPTION_KEYS": key}
    refused = run_monitor("secrets", "rotate", **beside)
    assert refused.returncode == 1
    assert "(1 x API, 1 x worker of local)" in refused.stderr
    assert "start `make up` again" in refused.stderr
    # so that what is stored can still be read
    path = f"/websites/{made[1]['id']}"
    assert stack.request("PATCH", path, {"request_body": "********"})[0] == 200


def test_two_stacks_run_side_by_side_but_not_on_one_directory(stack, start, tmp_path):
    # given
    other = start(tmp_path / "other").ready()
    # when
    made = stack.request("POST", "/websites", {"url": "http://127.0.0.1:9/"})[1]
    third = run_monitor(
        "up", MONITOR_DATA_DIR=str(stack.data_dir), MONITOR_API_PORT=str(free_port())
    )
    # then
    assert stack.request("GET", f"/websites/{made['id']}")[0] == 200
    assert other.request("GET", "/websites")[1]["items"] == []
    assert third.returncode == 1
    assert third.stderr.startswith("monitor: A stack already runs on ")
    assert len(third.stderr.splitlines()) == 1
    # when the terminal of one closes
    os.kill(other.process.pid, signal.SIGHUP)
    # then
    assert (other.process.wait(60), other.left_over()) == (0, [])
    assert stack.is_ready()


def test_a_port_in_use_is_named(start):
    # given
    with socket.create_server(("127.0.0.1", 0)) as owner:
        stack = start(port=owner.getsockname()[1])
        # when
        stack.process.wait(60)
    # then
    assert stack.process.returncode == 1
    assert "MONITOR_API_PORT" in stack.wait_for("monitor: .*").group()


@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ("no.such.name.invalid", "MONITOR_API_HOST is 'no.such.name.invalid', which is no address"),
        ("192.0.2.1", "The API cannot listen on 192.0.2.1 (MONITOR_API_HOST): it is no address"),
    ],
)
def test_an_address_that_it_cannot_listen_on_is_named(tmp_path, host, sentence):
    # when
    done = run_monitor("up", MONITOR_DATA_DIR=_reached(tmp_path), MONITOR_API_HOST=host)
    # then
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith(f"monitor: {sentence}")


@pytest.mark.parametrize("text", ["", "garbage\n", "\xff\n"])
def test_an_encryption_key_that_was_lost_is_not_replaced(tmp_path, text):
    # given
    file = Path(_reached(tmp_path)) / "encryption_key"
    file.parent.mkdir(mode=0o711)
    file.write_text(text, encoding="latin-1")
    # when
    done = run_monitor("up", MONITOR_DATA_DIR=str(file.parent), MONITOR_API_PORT=str(free_port()))
    # then
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"{file} holds no encryption key any more: put it back from a backup" in done.stderr
    assert file.read_text(encoding="latin-1") == text
    assert not (file.parent / "postgres").exists()


def _reached(tmp_path):
    open_way(tmp_path)
    return str(tmp_path / "data")


@pytest.mark.skipif(os.geteuid() != 0, reason="as another user the server runs as that one")
def test_a_data_directory_that_postgres_cannot_reach_is_refused_and_nothing_made(tmp_path):
    # given
    (tmp_path / "closed").mkdir(mode=0o700)
    # when
    done = run_monitor("up", MONITOR_DATA_DIR=str(tmp_path / "closed" / "data"))
    # then
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "is closed to the user `nobody`" in done.stderr
    assert "make up MONITOR_DATA_DIR=/" in done.stderr
    assert list((tmp_path / "closed").iterdir()) == []


def test_a_worker_that_cannot_start_ends_the_stack_with_one_sentence(start):
    # given
    hook = Path(__file__).parents[1] / "support" / "hooks" / "no_semaphores"
    stack = start(PYTHONPATH=str(hook))
    # when
    stack.process.wait(60)
    # then
    said = stack.wait_for("monitor: .*").group()
    assert "The process 'local' cannot start; it ended 3 times" in said
    assert "PermissionError: [Errno 13] Permission denied: '/dev/shm/" in said
    assert f"its log is {stack.data_dir}/log/local.log" in said
    assert (stack.process.returncode, stack.left_over()) == (1, [])
    assert "The API is at" not in stack.text


def test_a_stack_that_does_not_get_ready_ends_with_what_is_missing(tmp_path):
    # given: ticks go to a server that is not there
    code = (
        "import sys; from monitor.local import supervisor; supervisor.READY_WITHIN_S = 8.0; "
        "from monitor.cli.main import main; sys.exit(main(['up']))"
    )
    away = {"INFLUXDB_URL": f"http://127.0.0.1:{free_port()}"}
    command = [sys.executable, "-P", "-c", code]
    with RunningStack(command, tmp_path / "data", free_port(), env=away, cwd=tmp_path) as stack:
        # when
        stack.process.wait(60)
        # then
        said = stack.wait_for("monitor: .*").group()
        assert said.startswith("monitor: The stack did not get ready in 8 s: these do not answer: ")
        assert "ticks (is INFLUXDB_URL right, and its server running?)" in said
        assert (stack.process.returncode, stack.left_over()) == (1, [])
        assert "The API is at" not in stack.text


@pytest.mark.parametrize(
    ("version", "token", "sentence"),
    [
        (Recorded2, "wrong", "it refuses INFLUXDB_TOKEN"),
        (Recorded3, f'"{TOKEN}"', "INFLUXDB_TOKEN has quotation marks round it: remove them"),
        (Recorded2, TOKEN, "it has no bucket 'website_ticks' for ticks"),
    ],
)
async def test_an_influxdb_that_cannot_be_used_is_said_before_anything_starts(
    tmp_path, version, token, sentence
):
    # given: no bucket, and a token that may make none
    server, data = version(), _reached(tmp_path)
    server.grants = granted()
    settings = {"MONITOR_DATA_DIR": data, "INFLUXDB_TOKEN": token}
    async with running(server):
        # when
        settings |= {"INFLUXDB_URL": server.url, "MONITOR_API_PORT": str(free_port())}
        done = await asyncio.to_thread(run_monitor, "up", **settings)
    # then
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert sentence in done.stderr
    assert not os.path.exists(data)  # noqa: PTH110, ASYNC240 - nobody waits for it


async def test_an_influxdb_gets_its_buckets_from_the_start(tmp_path):
    # given: a token as a file holds it, with its line break, and a bucket that keeps too short
    server, data = Recorded2(), _reached(tmp_path)
    server.retention_s = {"website_ticks": 7 * DAY_S}
    env = {"INFLUXDB_URL": "", "INFLUXDB_TOKEN": f"{TOKEN}\n"}
    async with running(server):
        env["INFLUXDB_URL"] = server.url
        with RunningStack(_COMMAND, data, free_port(), env=env, cwd=tmp_path) as stack:
            # when
            await asyncio.to_thread(stack.ready)
            # then
            assert server.retention_s["website_ticks"] == 30 * DAY_S
            assert server.retention_s["website_ticks_hourly"] == 400 * DAY_S
            answer = await asyncio.to_thread(stack.request, "GET", "/readyz")
            assert answer[0] == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount another /dev/shm")
@pytest.mark.parametrize(
    ("mount", "sentence"),
    [
        ("mount -t tmpfs -o ro x /dev/shm", r"Workers cannot make semaphores .*mode=1777"),
        (
            "mount -t tmpfs -o size=4k x /dev/shm; head -c 4096 /dev/zero > /dev/shm/full",
            r"/dev/shm is full, so no worker can start: .*--shm-size",
        ),
    ],
)
def test_where_workers_cannot_share_memory_nothing_is_started(start, tmp_path, mount, sentence):
    # given
    inside = ["unshare", "-m", "sh", "-ec", f'{mount}; exec "$@"', "sh"]
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine allows no mount namespace of its own")
    stack = start(tmp_path / "data", before=inside)
    # when
    stack.process.wait(60)
    # then
    stack.wait_for(f"monitor: {sentence}")
    assert (stack.process.returncode, len(stack.lines)) == (1, 1)
    assert not (tmp_path / "data").exists()


def test_killed_processes_are_restarted(stack):
    for who, program in PROGRAMS.items():
        # when
        killed = wait_until(lambda program=program: stack.children(program))[0]
        os.kill(killed, signal.SIGKILL)
        # then
        stack.wait_for(rf"{who} +ended \(SIGKILL\), starts again in 1 s")
        wait_until(lambda program=program, killed=killed: set(stack.children(program)) - {killed})
        wait_until(stack.is_ready)


def test_however_the_stack_ends_it_leaves_no_process_and_keeps_its_data(start):
    # given one that was stopped while it started
    begun = start()
    begun.wait_for("starting PostgreSQL")
    _ends_in_time_by_ctrl_c(begun)
    first = start().ready()
    made = first.request("POST", "/websites", {"url": "http://127.0.0.1:9/"})[1]
    key, told = first.key, (first.data_dir / "environment").read_text()

    def came_back_with_its_data(stack):
        assert stack.key == key
        assert stack.request("GET", f"/websites/{made['id']}")[0] == 200
        return stack

    # when
    _ends_in_time_by_ctrl_c(first)
    # then
    _commands_beside_it_find_nothing(first.data_dir, told)
    killed = came_back_with_its_data(start().ready())
    left = set(killed.left())
    # when
    os.kill(killed.process.pid, signal.SIGKILL)
    # then
    last = came_back_with_its_data(start().ready())
    assert left & set(last.left()) == set()
    # when
    done = run_monitor("down", MONITOR_DATA_DIR=str(last.data_dir))
    # then
    assert f"(process {last.process.pid})" in done.stdout
    assert (last.process.wait(60), last.left_over()) == (0, [])


def _ends_in_time_by_ctrl_c(stack):
    seconds, left = stack.stop()
    assert (seconds < 30, left, stack.process.returncode) == (True, [], 0)


def _commands_beside_it_find_nothing(data_dir, told):
    """Also where it was killed and left the file."""
    file = data_dir / "environment"
    assert not file.exists()
    file.write_text(told)
    said = run_monitor("keys", "list", MONITOR_DATA_DIR=str(data_dir)).stderr
    assert "DATABASE_URL is not set" in said


def test_other_commands_find_its_servers(stack):
    # given
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
    assert re.match(r"Synced \d+ websites", run_monitor("sync", **here).stdout)
    assert run_monitor("export", **here).returncode == 0
    # and what is set wins, even if only a half of it is
    abroad = run_monitor("export", **here, MONITOR_URL="http://127.0.0.1:1")
    assert "set MONITOR_API_KEY" in abroad.stderr
    elsewhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nowhere"}
    assert "postgres: " in run_monitor("keys", "list", **here, **elsewhere).stderr
    half = run_monitor("sync", **here, REDIS_URL="redis://127.0.0.1:1/0")
    assert "DATABASE_URL is not set" in half.stderr


def test_doctor_finds_a_running_stack_well_and_uses_all_of_its_settings(stack):
    # given
    wait_until(lambda: stack.is_ready() and len(stack.children("dramatiq")) == 2)
    here = {"MONITOR_DATA_DIR": str(stack.data_dir)}
    # when: what was killed before is there again within some seconds
    done = wait_until(lambda: (seen := run_monitor("doctor", **here)).returncode == 0 and seen)
    # then
    lines = done.stdout.splitlines()
    not_well = [line for line in lines[:-2] if not line.startswith("ok ")]
    assert (not_well, lines[-2:], done.stderr) == ([], ["", "All is well."], "")
    assert f"from the stack on {stack.data_dir}" in lines[0]
    heard_of = r"\d x API, \d x central worker, \d x scheduler, \d x worker of local"
    assert re.search(heard_of, done.stdout)  # those that were killed, too, for 45 s
    # when
    found = json.loads(run_monitor("doctor", "--json", **here).stdout)
    # then
    assert found["well"]
    assert {f["state"] for f in found["findings"]} == {"ok"}


def test_the_demo_is_one_website_however_often_it_is_added(stack):
    # given
    api = LocalApi("127.0.0.1", int(stack.url.rpartition(":")[2]), stack.key)

    def demo_websites():
        items = stack.request("GET", "/websites")[1]["items"]
        found = [(w["url"], w["external_id"], w["check_frequency"], w["paused"]) for w in items]
        return [website for website in found if website[1] is not None]

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
