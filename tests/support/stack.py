"""A stack run as a person runs it: a process that gets a terminal's signals, seen from outside."""

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from support.places import open_way

DEADLINE_S = 60


class RunningStack:
    """A process that runs a stack, and what it prints. Use it as a context: it is ended after."""

    def __init__(self, command, data_dir, port, *, env=None, cwd="/"):
        self.data_dir = Path(data_dir)
        open_way(self.data_dir.parent)
        self.url = f"http://127.0.0.1:{port}"
        self.lines = []
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            [str(word) for word in command],
            env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
            | {"MONITOR_DATA_DIR": str(data_dir), "MONITOR_API_PORT": str(port)}
            | (env or {}),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # a group of its own, as a shell's job has
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.interrupt()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(60)
        for pid in self.left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join()
        self.process.stdout.close()

    def _read(self):
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    @property
    def text(self):
        return "\n".join(self.lines)

    def wait_for(self, pattern, within_s=DEADLINE_S):
        """The first match of a pattern in what is printed."""
        deadline = time.monotonic() + within_s
        with self._news:
            while not (found := re.search(pattern, self.text)):
                left = deadline - time.monotonic()
                ended = not self._reader.is_alive()
                if left <= 0 or ended or not self._news.wait(left):
                    found = re.search(pattern, self.text)
                    assert found, f"no {pattern!r} within {within_s} s in:\n{self.text}"
        return found

    def ready(self, within_s=DEADLINE_S):
        self.wait_for("Stop with Ctrl-C", within_s)
        return self

    @property
    def key(self):
        return (self.data_dir / "api_key").read_text().strip()

    def request(self, method, path, body=None):
        """(status, JSON)."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"{}")

    def is_ready(self):
        try:
            return self.request("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def interrupt(self):
        """Ctrl-C: the whole foreground group gets it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)

    def stop(self, times=1):
        """Ctrl-C, so many times, then seconds until the command has ended, and what is left."""
        began = time.monotonic()
        for _ in range(times):
            self.interrupt()
            time.sleep(0.2)  # two signals at once would be one
        self.process.wait(60)
        return time.monotonic() - began, self.left_over()

    def left_over(self, within_s=3.0):
        """What is left of a stack that has ended. A server that it had to kill has processes that
        end by themselves, as soon as they notice."""
        deadline = time.monotonic() + within_s
        while (left := self.left()) and time.monotonic() < deadline:
            time.sleep(0.05)  # strangers' processes: nothing tells when they end
        return left

    def left(self):
        """Processes that have to do with this data directory, the test's own left out."""
        return sorted(pid for pid in processes_of(self.data_dir) if pid != os.getpid())

    def children(self, name):
        """Processes that the stack itself started and that run a program or script so named."""
        return [pid for pid in _children(self.process.pid) if name in _names(pid)]

    def mails(self):
        return sorted((self.data_dir / "mail").glob("*.eml"))


def processes_of(path):
    """Ids of processes, zombies left out, that name a path in their words or their environment,
    or have a file below it open: a server may write its title over the first two."""
    needle = os.fsencode(path)
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            texts = [(entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()]
            texts += [os.fsencode(fd.readlink()) for fd in (entry / "fd").iterdir()]
            if any(needle in text for text in texts):
                yield int(entry.name)


def listening_ports(pid):
    """The TCP ports (IPv4) that a process listens on."""
    inodes = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            inodes.add(str(fd.readlink()).removeprefix("socket:[").removesuffix("]"))
    _, *lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()
    sockets = (line.split() for line in lines)
    return {int(s[1].rpartition(":")[2], 16) for s in sockets if s[3] == "0A" and s[9] in inodes}


def _children(pid):
    """Also those of threads of the process."""
    with contextlib.suppress(OSError):
        return [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    return []


def _names(pid):
    """What a process may be called by: its program, and the scripts among its words."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        return {Path(word).name for word in [Path(f"/proc/{pid}/exe").readlink(), *words]}
    return set()


def wait_until(condition, within_s=DEADLINE_S, every_s=0.1):
    """Ask again and again: for what another process does, there is no event to wait for."""
    deadline = time.monotonic() + within_s
    while True:
        if found := condition():
            return found
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(every_s)
