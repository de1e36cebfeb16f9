"""Watching a stack at work: its meters, its batches, and the wall clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import figures, proc
from .figures import Batch
from .stack import MAIL, NAMES, TARGET, Stack

_TELL_EVERY_S = 15
_IDLE_SPAN_S = 5.0


@dataclass(frozen=True)
class Reading:
    """CPU time of each process tree so far, of the machine, and when."""

    at_s: float
    cpu_us: dict[str, int]
    machine: proc.Machine


@dataclass(frozen=True)
class Idle:
    """CPU a second of each process with nothing to do, and the standard error of ours in all."""

    us_per_s: dict[str, float]
    error_us_per_s: float


class BatchLog:
    """What the regions' workers have told of; each line is read once."""

    def __init__(self, logs: list[Path]) -> None:
        self._read_to = dict.fromkeys(logs, 0)
        self._found: list[Batch] = []

    def batches(self) -> list[Batch]:
        for path, offset in self._read_to.items():
            if path.exists():
                self._read_to[path] = self._read(path, offset)
        return self._found

    def _read(self, path: Path, offset: int) -> int:
        with path.open("rb") as log:
            log.seek(offset)
            new = log.read()
        whole = new.rfind(b"\n") + 1  # the last line may still be being written
        self._found += figures.batches(new[:whole].decode(errors="replace").splitlines())
        return offset + whole


class Watch:
    """A stack and what it tells of itself."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.log = BatchLog([stack.log(f"worker.{region}") for region in stack.options.regions])

    def read(self) -> Reading:
        """The meters now. Raises Failed where a part has ended."""
        self.stack.must_run()
        return Reading(time.time(), proc.cpu_us(self.stack.pids()), proc.machine())

    def checks(self) -> int:
        return sum(b.websites for b in self.log.batches())

    def wait(self, until_s: float, doing: str) -> None:
        """Until a moment of the wall clock: slots are on it."""
        while (left := until_s - time.time()) > 0:
            self.stack.must_run()
            self.tell(doing, f"{left:.0f} s to go")
            time.sleep(min(left, _TELL_EVERY_S))

    def wait_for(self, done: Callable[[], bool], doing: str, *, within_s: float) -> float:
        """Until something is so; returns how long it took. Raises TimeoutError.

        Foreign processes are watched, and they tell only when asked: four times a second.
        """
        began, told = time.monotonic(), time.monotonic()
        while not done():
            self.stack.must_run()
            now = time.monotonic()
            if now - began > within_s:
                raise TimeoutError(f"{doing}: not done after {within_s:.0f} s.")
            if now - told > _TELL_EVERY_S:
                told = now
                self.tell(doing, f"{now - began:.0f} s so far")
            time.sleep(0.25)
        return time.monotonic() - began

    def rolled_up(self) -> list[float]:
        """When the central worker was done with a roll-up, Unix seconds."""
        central = self.stack.log("central").read_text(encoding="utf-8", errors="replace")
        return figures.times_of(central.splitlines(), "ticks.rolled_up")

    def tell(self, doing: str, clock: str) -> None:
        say(f"{doing}, {clock}, {self.checks()} checks so far")

    def idle(self, until_s: float) -> Idle:
        """CPU a second of each process while there is no scheduler, so nothing to do.

        The first seconds do not count: workers are still starting.
        """
        say(f"idle, {until_s - time.time():.0f} s to go")
        time.sleep(_IDLE_SPAN_S)
        readings = [self.read()]
        while (left := until_s - time.time()) > _IDLE_SPAN_S:
            time.sleep(min(left, _IDLE_SPAN_S))
            readings.append(self.read())
        if len(readings) == 1:
            time.sleep(max(until_s - time.time(), 1.0))
            readings.append(self.read())
        sums = [total(rate) for rate in rates(readings)]
        return Idle(_rates(readings[0], readings[-1]), figures.standard_error(sums))


def together(watches: Sequence[Watch], begin_s: float, minutes: int) -> list[list[Reading]]:
    """The meters of several stacks at the same moments, at the ends of whole minutes."""
    found: list[list[Reading]] = [[] for _ in watches]
    for number in range(minutes + 1):
        time.sleep(max(begin_s + number * 60 - time.time(), 0.0))
        for readings, watch in zip(found, watches, strict=True):
            readings.append(watch.read())
        say(f"{minutes - number} minutes to go")
    return found


def rates(readings: Sequence[Reading]) -> list[dict[str, float]]:
    """CPU us a second by process, between each reading and the next."""
    return list(map(_rates, readings, readings[1:]))


def _rates(before: Reading, after: Reading) -> dict[str, float]:
    seconds = after.at_s - before.at_s
    return {name: (after.cpu_us[name] - us) / seconds for name, us in before.cpu_us.items()}


def total(us_by_process: Mapping[str, float]) -> float:
    """Of all processes that are ours."""
    return sum(us for name, us in us_by_process.items() if ours(name))


def ours(name: str) -> bool:
    """Whether a process is part of the total: not the websites, their names, the mail server."""
    return name not in (TARGET, NAMES, MAIL)


def say(text: str) -> None:
    """Progress, at once."""
    print(f"bench: {text}", flush=True)
