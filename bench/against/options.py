"""What `make bench AGAINST=COMMIT` compares: read from the environment."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bench import options
from bench.measure import TIMEOUT_S
from bench.options import Options, number

MINUTE_S = 60
_SETTLE_S = 5
_LONGEST_WINDOW_S = 1800
"""A window must fit between two roll-ups of an hour."""


@dataclass(frozen=True)
class Comparison:
    """``commit``: as it was typed. ``load``: what each side is given to do.

    ``windows``: measured windows of the working tree, each of ``window_s`` seconds. The commit has
    one more.
    """

    commit: str
    load: Options
    windows: int
    window_s: int

    @property
    def warm_s(self) -> int:
        """Before each window all websites are checked once where the workers, which were just
        started, may remember something of their certificates."""
        return 0 if self.load.chain is None else math.lcm(MINUTE_S, self.load.interval_s)

    @property
    def settle_s(self) -> int:
        """So long after a window its last checks, which were due just before its end, are done:
        those too that run into their timeout, where some do."""
        return _SETTLE_S + TIMEOUT_S if self.load.mixed else _SETTLE_S

    @property
    def checks_each(self) -> int:
        """Checks that are due in one window."""
        return self.load.series * self.window_s // self.load.interval_s


def read(environ: Mapping[str, str] = os.environ) -> Comparison:
    """The comparison. Raises ValueError, one sentence, for what cannot be measured."""
    load = replace(options.read(environ), influx_compacts=False)
    return Comparison(
        commit=_commit(environ),
        load=load,
        windows=number(environ, "WINDOWS", 10, least=2),
        window_s=_window_s(environ, load.interval_s),
    )


def _commit(environ: Mapping[str, str]) -> str:
    commit = environ.get("AGAINST", "").strip()
    if not commit or commit.startswith("-"):
        raise ValueError(f"AGAINST must name a commit (it is {commit!r}).")
    return commit


def _window_s(environ: Mapping[str, str], interval_s: int) -> int:
    """WINDOW_S. The scheduler queues checks by the minute, so windows are whole minutes; and every
    website must be due equally often in each."""
    seconds = number(environ, "WINDOW_S", math.lcm(MINUTE_S, interval_s), least=MINUTE_S)
    if seconds % MINUTE_S or seconds > _LONGEST_WINDOW_S:
        raise ValueError(
            f"WINDOW_S must be a multiple of {MINUTE_S}, at most {_LONGEST_WINDOW_S}: "
            f"checks are queued by the minute (it is {seconds})."
        )
    if seconds % interval_s:
        raise ValueError(
            f"WINDOW_S must be a multiple of INTERVAL, which is {interval_s} here: every website "
            f"is due equally often in each window (it is {seconds})."
        )
    return seconds
