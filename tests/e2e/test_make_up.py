"""A newcomer's walk, for real: a fresh copy of the tree, `make up`, what it prints, Ctrl-C."""

import email
import email.policy
import json
import os
import re
import shutil
import stat
import subprocess
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from monitor.runtime.settings import TABLE
from support.ports import free_port
from support.stack import RunningStack, wait_until

ROOT = Path(__file__).parents[2]
FIRST_START_WITHIN_S = 480
"""Setting up downloads and installs everything."""


def copy_of_the_tree(to):
    """What a clone would have: the files git knows or would take, and nothing that was built."""
    names = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.split(b"\0")
    for name in filter(None, names):
        source, target = ROOT / os.fsdecode(name), to / os.fsdecode(name)
        if source.is_file():  # one that was removed but not yet committed is listed too
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    return to


def environment_of_a_newcomer():
    """Ours, without our settings and without the marks of the make and Python that run us."""
    own = {s.name for s in TABLE} | {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "VIRTUAL_ENV", "DEMO"}
    return {k: v for k, v in os.environ.items() if k not in own and not k.startswith("PYTHON")}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A fresh copy in a folder with a space; its virtual environment is shared by these tests."""
    return copy_of_the_tree(tmp_path_factory.mktemp("walk") / "a clone")


def make_up(tree, data_dir, *words, port=None):
    return RunningStack(
        ["make", "up", *words],
        data_dir,
        port or free_port(),
        env=environment_of_a_newcomer(),
        cwd=tree,
    )


@contextmanager
def site():
    """A site on loopback: /ok answers 200, anything else 500."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/ok" else 500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def paste(command, url=None):
    """Run a printed command as a person would, the example's URL replaced by theirs."""
    adapted = command if url is None else command.replace("https://example.com/", url)
    done = subprocess.run(["sh", "-c", adapted], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def statuses(command):
    return {w["url"]: w["status"] for w in paste(command)["items"]}


def mail_about(stack, url):
    for path in stack.mails():
        text = path.read_bytes()
        message = email.message_from_bytes(text, policy=email.policy.default)
        if url in message.get_body(("plain",)).get_content():
            return message
    return None


def test_a_newcomers_walk(tree, tmp_path):
    data = tmp_path / "my data"
    with site() as url, make_up(tree, data) as first:
        # when: nothing was installed before
        first.ready(FIRST_START_WITHIN_S)
        add, read = re.findall(r"^ +(curl .*)$", first.text, re.MULTILINE)
        # then: the key is where it says, for its owner alone
        assert first.key in first.wait_for(r"this is its key:\n +(\S+)").group(1)
        assert stat.S_IMODE((data / "api_key").stat().st_mode) == 0o600
        # when: both printed commands are pasted
        added = paste(add, f"{url}/ok")
        wait_until(lambda: statuses(read) == {f"{url}/ok": "up"})
        # when: a site that fails is added
        paste(add, f"{url}/broken")
        mail = wait_until(lambda: mail_about(first, f"{url}/broken"), within_s=90)
        # then
        assert mail["To"] == "you@localhost"
        assert statuses(read)[f"{url}/broken"] == "down"
        first.wait_for(r"mail +Down: .* → you@localhost")
        # when: another stack is started beside it
        with make_up(tree, tmp_path / "other data") as other:
            other.ready()
            assert other.request("GET", "/websites")[1]["items"] == []
            seconds, left = other.stop()
            assert (seconds < 30, left) == (True, [])
        # when
        seconds, left = first.stop()
        # then
        assert (seconds < 30, left) == (True, [])
    with make_up(tree, data, port=int(first.url.rpartition(":")[2])) as again:
        # then: it is there again, data and key, without another set-up
        again.ready(30)
        assert "Installing" not in again.text
        assert paste(read)["items"][0]["id"] == added["id"]
        assert again.stop()[1] == []


def test_the_demo_shows_an_incident_and_two_mails_in_two_minutes(tree, tmp_path):
    with make_up(tree, tmp_path / "data", "DEMO=1") as stack:
        # given
        stack.ready(FIRST_START_WITHIN_S)
        began = time.monotonic()
        # when
        stack.wait_for(r"demo +the site fails now", 30)
        stack.wait_for(r"incident\.opened", 60)
        stack.wait_for(r"mail +Down: demo", 60)
        stack.wait_for(r"demo +the site works again", 60)
        stack.wait_for(r"mail +Up again: demo", 120)
        # then
        assert time.monotonic() - began < 120
        assert len(stack.mails()) == 2
        (website,) = stack.request("GET", "/websites")[1]["items"]
        assert (website["external_id"], website["check_frequency"]) == ("demo", 30)
        seconds, left = stack.stop(times=2)  # by somebody who is impatient
        assert (seconds < 30, left) == (True, [])


@pytest.mark.parametrize("target", ["up", "test", "migrate"])
def test_unsupported_python_is_reported(tmp_path, target):
    # given
    fresh = copy_of_the_tree(tmp_path)
    # when
    done = subprocess.run(
        ["make", target, "PYTHON=false"],
        cwd=fresh,
        env=environment_of_a_newcomer(),
        capture_output=True,
        text=True,
        check=False,
    )
    # then
    assert done.returncode != 0
    assert "Python 3.11 or newer is needed" in done.stdout


def test_help_lists_every_target_but_those_that_do_nothing_yet():
    # when
    shown = subprocess.run(
        ["make"],
        cwd=ROOT,
        env=environment_of_a_newcomer(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    # then
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^ +make (\S+) +\S", shown, re.MULTILINE)) >= targets - {"bench"}
