"""When a worker looks for what dead ones hold."""

from __future__ import annotations

import time
from collections.abc import Callable

HEARTBEAT_TIMEOUT_MS = 30_000
"""A worker that was silent for this long is dead; its messages go back to their queues."""

LOOK_EVERY_S = 1.0
"""How often at most a look gives back what dead workers held of a queue, too. Dramatiq throws a
dice with each command instead: where one worker is left, it would take minutes."""

_STEP_S = 5.0


class LookForDead:
    """Says whether a look at a queue is to look for dead workers, too.

    Heartbeats carry the time of Redis. When that is stepped, hosts hear of it within seconds, but
    not at once: by the time of the first of them all others have been silent for as long as the
    step was. So after a step nobody is taken for dead until all who live have had time to say so.
    """

    def __init__(self, steady: Callable[[], float] = time.monotonic) -> None:
        self._steady = steady
        self._next_s: dict[str, float] = {}
        self._ahead_s: float | None = None
        self._not_before_s = 0.0

    def is_due(self, queue_name: str, now_ms: int) -> bool:
        """``now_ms``: the time that heartbeats are dated by, in Unix milliseconds."""
        steady_s = self._steady()
        self._note_step(steady_s, now_ms / 1000 - steady_s)
        if steady_s < max(self._not_before_s, self._next_s.get(queue_name, 0.0)):
            return False
        self._next_s[queue_name] = steady_s + LOOK_EVERY_S
        return True

    def _note_step(self, steady_s: float, ahead_s: float) -> None:
        if self._ahead_s is not None and abs(ahead_s - self._ahead_s) > _STEP_S:
            self._not_before_s = steady_s + HEARTBEAT_TIMEOUT_MS / 1000
        self._ahead_s = ahead_s
