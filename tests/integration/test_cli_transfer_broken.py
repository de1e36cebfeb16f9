"""`monitor import` where the connection breaks, or the person stops it: nothing is done twice."""

import io
import re
import shlex
import signal
import subprocess

import pytest

from monitor.cli.client import Access, Interrupted, Upload, client
from monitor.domain.access import Role
from support.bulk import ndjson
from support.cutting_proxy import CuttingProxy
from support.served_api import served
from support.stack import wait_until

LINES = 6000


def _nameless(count):
    """Lines that make a website each time they are taken."""
    return ndjson(*({"url": f"https://a.example/{n}"} for n in range(count)))


@pytest.fixture
def api(database_url, redis_url, tmp_path):
    with served(database_url, redis_url, tmp_path) as found:
        found.write("sites.ndjson", _nameless(LINES))
        yield found


def _count(api):
    return len(api.monitor("export").stdout.splitlines())


def _imports(api):
    return api.http.get("/websites/bulk").json()["items"]


def test_a_broken_connection_is_resumed(api):
    with CuttingProxy(api.port, [150_000]) as proxy:
        # when
        done = api.monitor("import", "sites.ndjson", "--url", f"http://127.0.0.1:{proxy.port}")
    # then
    assert (done.returncode, proxy.connections) == (0, 2)
    assert done.stdout.startswith(f"Imported: {LINES} created, 0 updated".encode())
    assert b"Resuming in 5 s" in done.stderr
    assert _count(api) == LINES
    assert [i["lines"] for i in _imports(api)] == [LINES]


@pytest.mark.parametrize(
    ("cuts", "pauses"),
    [
        # farther, not farther twice, farther, and through
        ([100_000, 50_000, 50_000, 180_000], [5, 5, 10, 20]),
        ([20_000] * 9, [5, 10, 20, 40]),
    ],
)
async def test_retries_without_progress_back_off_and_give_up(api, cuts, pauses):
    waited, told = [], []

    async def pause(seconds):
        waited.append(seconds)

    async def upload_to(url):
        upload = Upload(
            io.BytesIO(_nameless(LINES)), "the-key", dry_run=False,
            on_progress=lambda _: None,
            on_wait=lambda reason, wait_s: told.append((reason, wait_s)),
        )  # fmt: skip
        async with client(Access(url, api.keys[Role.WRITE])) as found:
            return await found.import_lines(upload, pause)

    with CuttingProxy(api.port, cuts) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        # then
        if len(cuts) > len(pauses):
            with pytest.raises(Interrupted, match="The connection broke"):
                await upload_to(url)
        else:
            assert (await upload_to(url))["created"] == LINES
            assert _count(api) == LINES
    assert waited == pauses == [wait_s for _, wait_s in told]


def _interrupted(api, proxy, name):
    """(exit code, output, errors) of an import that gets Ctrl-C when lines are stored and the proxy
    lets nothing more through."""
    command, env = api.command("import", name, "--url", f"http://127.0.0.1:{proxy.port}")
    process = subprocess.Popen(
        command, env=env | {"PYTHONFAULTHANDLER": "1"}, cwd=api.directory,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert proxy.hanging.wait(30)
        wait_until(lambda: [i for i in _imports(api) if i["lines"] >= 1000])
        process.send_signal(signal.SIGINT)
        return _ended(process)
    finally:
        process.kill()
        process.communicate()


def _ended(process):
    try:
        out, told = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # faulthandler says where it stands
        pytest.fail(f"It goes on after Ctrl-C:\n{process.communicate()[1]}")
    return process.returncode, out, told


def test_an_interrupted_import_prints_its_progress_and_how_to_resume(api):
    with CuttingProxy(api.port, [200_000], hang=True) as proxy:
        # when
        code, out, told = _interrupted(api, proxy, "sites.ndjson")
    # then
    assert (code, out) == (130, "")
    assert "Traceback" not in told
    lines = int(re.search(r"Stopped after (\d+) lines\.", told)[1])
    assert 1000 <= lines < LINES
    assert lines == _imports(api)[0]["lines"] == _count(api)
    # when it is gone on with
    words = shlex.split(re.search(r"To resume with the same file: monitor (.*)", told)[1])
    done = api.monitor(*words)
    # then
    assert done.returncode == 0, done.stderr
    assert _count(api) == LINES
    other = api.write("other.ndjson", _nameless(3))
    refused = api.monitor("import", other, *words[2:])
    assert (refused.returncode, b"use another key" in refused.stderr) == (1, True)


def test_an_interrupted_import_resets_its_connection(api):
    """Else the API waits for the rest, and how many lines are in is not known for a minute."""
    # given more than the sockets of both ends hold
    api.write("many.ndjson", _nameless(250_000))
    with CuttingProxy(api.port, [100_000], hang=True, deaf=True) as proxy:
        # when
        code, _, told = _interrupted(api, proxy, "many.ndjson")
    # then
    assert code == 130
    lines = int(re.search(r"Stopped after (\d+) lines\.", told)[1])
    assert lines == _imports(api)[0]["lines"] == _count(api)


def test_an_interrupted_export_leaves_no_file(api):
    # given: what is sent by the API is more than is let through
    api.monitor("import", "sites.ndjson")
    api.write("kept.ndjson", "old")
    with CuttingProxy(api.port, [], answer_cut=100_000) as proxy:
        # when
        done = api.monitor("export", "kept.ndjson", "--url", f"http://127.0.0.1:{proxy.port}")
    # then
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"monitor: The connection broke: ")
    assert (api.directory / "kept.ndjson").read_text() == "old"
    assert not list(api.directory.glob(".kept*"))
