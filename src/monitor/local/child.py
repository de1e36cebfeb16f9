"""A supervised child process: restarted when it ends, with a log file of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final, Self

from monitor.domain.errors import MonitorError
from monitor.domain.outcome import printable
from monitor.local import process
from monitor.local.console import Console, summary

Spawn = Callable[[], "subprocess.Popen[bytes]"]

FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0
_STEADY_AFTER_S: Final = 60.0
_ENDS_BEFORE_READY: Final = 3
_REASON_LIMIT: Final = 200
_LOG_LIMIT_BYTES: Final = 10 * 2**20
_LINE_LIMIT_BYTES: Final = 65_536


class Child:
    """A supervised process.

    ``spawn`` starts it. If its output is a pipe, it goes to ``log``, and warnings and incidents to
    the console. ``running``: the process, if it is already started.
    """

    def __init__(
        self,
        name: str,
        spawn: Spawn,
        *,
        log: Path,
        console: Console,
        stop_signal: signal.Signals = signal.SIGTERM,
        running: subprocess.Popen[bytes] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._spawn = spawn
        self._console = console
        self._stop_signal = stop_signal
        self._running = running
        self._last_line = ""
        self._last_error = ""

    async def supervise(self, stopping: asyncio.Event, ready: asyncio.Event) -> None:
        """Run it until ``stopping``. When it ends, restart it after 1 s, then 2, 4, ... 30 s.

        Raises MonitorError where it ended three times before the stack was ever ``ready``.
        """
        clock = asyncio.get_running_loop().time
        pause_s, ends_before_ready = FIRST_PAUSE_S, 0
        while not stopping.is_set():
            child = self._running = self._running or self._spawn()
            began, self._last_line, self._last_error = clock(), "", ""
            await self._wait_for_end(child)
            self._running = None
            if stopping.is_set():
                return
            ends_before_ready += not ready.is_set()
            if ends_before_ready == _ENDS_BEFORE_READY:
                raise MonitorError(self._cannot_start(child.returncode))
            pause_s = FIRST_PAUSE_S if clock() - began > _STEADY_AFTER_S else pause_s
            self._console.say(
                self.name,
                f"ended ({_describe(child.returncode)}), starts again in {pause_s:.0f} s; its log "
                f"is {self.log}{self._last_line and ': ' + self._last_line}",
            )
            await is_set_within(stopping, pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def _cannot_start(self, code: int) -> str:
        why = self._last_line or self._last_error or _describe(code)
        return (
            f"The process {self.name!r} cannot start; it ended {_ENDS_BEFORE_READY} times, the "
            f"last time with {why.rstrip('.')!r}: mend that, then start again; its log is "
            f"{self.log}."
        )

    def request_stop(self) -> None:
        """Send it the stop signal."""
        if self._running is not None:
            process.send_signal(self._running, self._stop_signal)

    def kill(self) -> None:
        """Kill it and its children."""
        if self._running is not None:
            process.kill_group(self._running)

    async def _wait_for_end(self, child: subprocess.Popen[bytes]) -> None:
        pump = asyncio.create_task(self._pump(child.stdout)) if child.stdout else None
        await ended(child)
        # Its children must not run beside its successor.
        process.kill_group(child)
        await asyncio.to_thread(child.wait)
        if pump is not None:
            await pump

    async def _pump(self, pipe: IO[bytes]) -> None:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        with contextlib.closing(transport), _RotatedLog(self.log) as log:
            rest = b""
            while chunk := await reader.read(_LINE_LIMIT_BYTES):
                log.write(chunk)
                *lines, rest = (rest + chunk).split(b"\n")
                rest = rest[-_LINE_LIMIT_BYTES:]
                for line in filter(bytes.strip, lines):
                    self._console.show_log(self.name, line)
                    self._note_line(line)

    def _note_line(self, line: bytes) -> None:
        """Remember a possible reason for its end: a sentence or the last line of a traceback."""
        if not line.startswith(b"{"):  # log lines are shown by themselves
            self._last_line = printable(line[:800].decode(errors="replace"), _REASON_LIMIT)
        else:
            self._last_error = _exception_in(line) or self._last_error or summary(line) or ""


class _RotatedLog:
    """A log of at most 10 MiB, and its predecessor ``NAME.1``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> None:
        """Append. On a full disk only the log is lost: the child must not block."""
        with contextlib.suppress(OSError):
            if self._file.tell() > _LOG_LIMIT_BYTES:
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
                full, self._file = self._file, self._path.open("ab", buffering=0)
                full.close()
            self._file.write(data)


async def ended(child: subprocess.Popen[bytes]) -> None:
    """Wait for a child to end; on Linux its process id stays reserved until ``wait``."""
    if not hasattr(os, "pidfd_open"):  # only Linux has it
        await asyncio.to_thread(child.wait)
        return
    with contextlib.suppress(ProcessLookupError):
        await _readable(os.pidfd_open(child.pid))


async def _readable(descriptor: int) -> None:
    loop, event = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, event.set)
    try:
        await event.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def is_set_within(event: asyncio.Event, within_s: float) -> bool:
    """Wait at most this long for the event; returns whether it is set."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), within_s)
    return event.is_set()


def _exception_in(line: bytes) -> str | None:
    """The last line of the traceback in a JSON log line; None where there is none."""
    try:
        exception = json.loads(line)["exception"]
    except (ValueError, KeyError, TypeError):
        return None
    return printable(str(exception).strip().rpartition("\n")[2], _REASON_LIMIT)


def _describe(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    return signal.Signals(-code).name
