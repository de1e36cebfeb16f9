"""The data directory of a stack, and the locks that reserve it for one stack."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TextIO

from msgspec import DecodeError, json

from monitor.domain.errors import MonitorError
from monitor.local.server_user import make_folder
from monitor.runtime.settings import raw_values

_LEFTOVERS_END_WITHIN_S: Final = 10.0


class DataDirectory:
    """The layout of MONITOR_DATA_DIR. Nothing is created before ``lock``."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.postgres = self.path / "postgres"
        self.redis = self.path / "redis"
        self.mail = self.path / "mail"
        self.logs = self.path / "log"
        self.api_key = self.path / "api_key"
        self.encryption_key = self.path / "encryption_key"
        self.environment = self.path / "environment"
        self.demo_port = self.path / "demo_port"
        self._lock = self.path / "stack.lock"
        self._children = self.path / "children.lock"

    @contextlib.contextmanager
    def lock(self) -> Iterator[int]:
        """Lock the directory for this stack during a block.

        Yields a descriptor that every child must inherit: while a child is alive, even of a stack
        that was killed, the next stack waits. Raises MonitorError where another stack is running
        or the directory cannot be created.
        """
        try:
            self._create()
            stack, children = _open(self._lock), _open(self._children)
        except OSError as error:
            raise MonitorError(
                f"{self.path} cannot be used: {error.strerror}; set MONITOR_DATA_DIR to another."
            ) from None
        with stack, children:
            if not _try_lock(stack.fileno()):
                raise MonitorError(
                    f"A stack already runs on {self.path} (process {self._pid()}): stop it with "
                    "`make down`, or give this one another MONITOR_DATA_DIR."
                )
            stack.truncate(0)
            stack.write(f"{os.getpid()}\n")
            stack.flush()
            self._wait_for_leftovers(children.fileno())
            yield children.fileno()

    @contextlib.contextmanager
    def publish_settings(self, settings: Mapping[str, str]) -> Iterator[None]:
        """Publish all settings of the stack, as text, to other commands during a block."""
        write_private_bytes(self.environment, json.encode(dict(settings)))
        try:
            yield
        finally:
            self.environment.unlink(missing_ok=True)

    def published_settings(self) -> dict[str, str]:
        """The settings of the stack that runs on this directory; empty where none runs.

        Raises SettingsError where they cannot be read.
        """
        return _read_settings(self.environment) if self._is_held() else {}

    def _is_held(self) -> bool:
        """Whether a stack runs: a killed stack leaves its settings, but not its servers."""
        try:
            with self._lock.open(encoding="ascii") as lock:
                return not _try_lock(lock.fileno())
        except OSError:  # no such directory, or another user's
            return False

    def stop_stack(self, within_s: float = 15.0) -> int | None:
        """Stop the stack that runs on this directory and wait for all of its processes.

        Returns its process id, or None where none runs. Raises MonitorError if it does not end.
        """
        if not self._lock.exists():
            return None
        with _open(self._lock) as lock:
            if _try_lock(lock.fileno()):
                return None
            pid = self._pid()
            if pid == 0:
                raise MonitorError(f"The stack on {self.path} is just starting: try again.")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            if not _lock_within(lock.fileno(), within_s):
                raise MonitorError(f"The stack (process {pid}) did not end in {within_s:.0f} s.")
        return pid

    def _create(self) -> None:
        make_folder(self.path)
        for folder in (self.mail, self.logs):
            folder.mkdir(exist_ok=True, mode=0o700)

    def _pid(self) -> int:
        """The stack's process id; 0 in the instant between locking and writing it.

        Raises MonitorError where something else stands there.
        """
        text = self._lock.read_text(encoding="ascii", errors="replace").strip() or "0"
        if not (text.isascii() and text.isdecimal()) or text == "1":
            raise MonitorError(
                f"A stack runs on {self.path}, but {self._lock.name} does not say which process it "
                "is: stop it with Ctrl-C in its own terminal."
            )
        return int(text)

    def _wait_for_leftovers(self, descriptor: int) -> None:
        """Wait for the children of a killed stack, which were signalled when it died."""
        if _lock_within(descriptor, _LEFTOVERS_END_WITHIN_S):
            return
        for pid in _holders(self._children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not _lock_within(descriptor, _LEFTOVERS_END_WITHIN_S):
            raise MonitorError(f"Processes of an earlier stack on {self.path} do not end.")


def _read_settings(path: Path) -> dict[str, str]:
    """Raises SettingsError. A stack that an earlier version started wrote lines as in a `.env`."""
    try:
        return json.decode(path.read_bytes(), type=dict[str, str])
    except FileNotFoundError:  # it is still starting
        return {}
    except (DecodeError, OSError):
        return raw_values({}, path)


def write_private(path: Path, text: str) -> None:
    """Write a file atomically, readable only by its owner."""
    write_private_bytes(path, text.encode())


def write_private_bytes(path: Path, data: bytes) -> None:
    """The same for bytes. Raises OSError."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _open(path: Path) -> TextIO:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="ascii")


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def _lock_within(descriptor: int, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not _try_lock(descriptor):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)  # flock(2) has no timeout
    return True


def _holders(path: Path) -> Iterator[int]:
    """Other processes that have this file open (on Linux; elsewhere none are found)."""
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):  # it may have ended, or belong to another user
            pid = int(entry.parts[2])
            if pid != os.getpid() and entry.readlink() == path:
                yield pid
