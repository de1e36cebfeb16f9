"""A stack run as a person runs it: as a process, with a terminal's signals, looked at from outside."""

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

DEADLINE_S = 60


class RunningStack:
    """A process that runs a stack, and what it prints. Use it as a context: it is ended after."""

    def __init__(self, command, data_dir, port, *, env=None, cwd="/"):
        self.data_dir = Path(data_dir)
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
                self.process.wait(20)
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

    def interrupt(self):
        """Ctrl-C: the whole foreground group gets it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)

    def stop(self):
        """Ctrl-C, then seconds until the command has ended, and what is left of it."""
        began = time.monotonic()
        self.interrupt()
        self.process.wait(30)
        return time.monotonic() - began, self.left()

    def left(self):
        """Processes that name this data directory in their words or their environment."""
        return sorted(pid for pid in processes_naming(self.data_dir) if pid != os.getpid())

    def mails(self):
        return sorted((self.data_dir / "mail").glob("*.eml"))


def processes_naming(path):
    """Process ids, zombies left out, whose words or environment name a path."""
    needle = os.fsencode(path)
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            texts = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
            if any(needle in text for text in texts):
                yield int(entry.name)


def wait_until(condition, within_s=DEADLINE_S, every_s=0.1):
    """Ask again and again: for what another process does, there is no event to wait for."""
    deadline = time.monotonic() + within_s
    while True:
        if found := condition():
            return found
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(every_s)
