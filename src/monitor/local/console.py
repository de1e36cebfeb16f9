"""Output in the foreground: one short line per event; the rest is in the logs."""

from __future__ import annotations

import datetime as dt
import json
import sys
from typing import TextIO

from monitor.domain.outcome import printable
from monitor.runtime.terminal import single_line

_SHOWN_LEVELS = frozenset({"warning", "error", "critical"})
_SHOWN_EVENTS = ("incident.",)
_NOT_DETAILS = frozenset({"event", "exception", "level", "logger", "process", "timestamp"})
_LINE_LIMIT = 300


class Console:
    """The foreground of a stack."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout

    def say(self, who: str, text: str) -> None:
        """Print one line: the time, the source and the text."""
        self.write(f"{dt.datetime.now().astimezone():%H:%M:%S} {who:<9} {single_line(text)}")

    def write(self, text: str) -> None:
        """Print text unchanged."""
        try:
            print(text, file=self._out, flush=True)
        except OSError:
            # The reader of our output is gone (`make up | head`). The stack goes on: its logs
            # are in files, and a terminal that closes sends a signal of its own.
            self._out = sys.__stderr__ if self._out is sys.stdout else self._out

    def show_log(self, who: str, line: bytes) -> None:
        """Print a log line of a child if it is a warning, an error or an incident."""
        if text := summary(line):
            self.say(who, text)


def summary(line: bytes) -> str | None:
    """A short form of a JSON log line, or None where it is not shown."""
    try:
        fields = json.loads(line)
    except ValueError:
        return None
    if not isinstance(fields, dict):
        return None
    event, level = str(fields.get("event", "")), fields.get("level")
    if level not in _SHOWN_LEVELS and not event.startswith(_SHOWN_EVENTS):
        return None
    details = [f"{k}={v}" for k, v in fields.items() if k not in _NOT_DETAILS]
    more = ["(more in its log)"] if "exception" in fields else []
    words = [event, *details, *more]
    if level in _SHOWN_LEVELS:
        words.insert(0, f"{level}:")
    return printable(" ".join(words), _LINE_LIMIT)
