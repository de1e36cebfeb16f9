"""Which workers have stalled, so that the messages they held go back to their queues."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from redis import Redis

STALLED_AFTER_S = 25.0
"""A worker whose heartbeat has not changed for so long has stalled; a live one sends a new
heartbeat at least every four seconds."""

RETURN_EVERY_S = 1.0
"""At most how often a fetch from a queue returns what stalled workers held of it. Dramatiq throws
a dice with each command instead: with one worker left, that would take minutes."""

_READ_EVERY_S = 2.0
_BLIND_AFTER_S = 10.0
"""A process that has not read the heartbeats for so long (it was suspended, or Redis was away)
knows nothing of the time between: the others may have been suspended with it."""

STALLED_MS = 1
"""The heartbeat that marks a stalled worker, until the worker sends another."""

# Sets the heartbeats of the workers ARGV[1], ARGV[3], ... that are still ARGV[2], ARGV[4], ...
_MARK = f"""
for i = 1, #ARGV, 2 do
  if redis.call('ZSCORE', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    redis.call('ZADD', KEYS[1], {STALLED_MS}, ARGV[i])
  end
end
"""


class Liveness:
    """Which heartbeats have not changed for ``STALLED_AFTER_S``, by a monotonic clock.

    The time within a heartbeat is ignored: it is Redis' time as its worker knows it, and after a
    step of that clock some workers hear of it seconds before others. Pure but for the clock.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._read_s = -math.inf
        self._since_s: dict[tuple[bytes, float], float] = {}

    def stalled(self, heartbeats: Mapping[bytes, float]) -> dict[bytes, float]:
        """The stalled ones among all current heartbeats by worker."""
        now_s = self._monotonic()
        previous = self._since_s if now_s - self._read_s <= _BLIND_AFTER_S else {}
        self._read_s = now_s
        self._since_s = {beat: previous.get(beat, now_s) for beat in heartbeats.items()}
        return dict(b for b, since_s in self._since_s.items() if now_s - since_s >= STALLED_AFTER_S)


class StalledWorkers:
    """Finds stalled workers in Redis and marks them. Safe to share between threads."""

    def __init__(
        self, client: Redis, namespace: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client: Any = client
        self._key = f"{namespace}:__heartbeats__"
        self._mark = client.register_script(_MARK)
        self._monotonic = monotonic
        self._liveness = Liveness(monotonic)
        self._reading = threading.Lock()
        self._read_next_s = -math.inf
        self._return_next_s: dict[str, float] = {}

    def must_return(self, queue_name: str) -> bool:
        """Whether this fetch from a queue is to return what marked workers held of it.

        Also marks stalled workers now and then. Raises RedisError.
        """
        now_s = self._monotonic()
        if now_s < self._return_next_s.get(queue_name, -math.inf):
            return False
        self._mark_stalled(now_s)
        self._return_next_s[queue_name] = now_s + RETURN_EVERY_S
        return True

    def _mark_stalled(self, now_s: float) -> None:
        if now_s < self._read_next_s or not self._reading.acquire(blocking=False):
            return
        try:
            self._read_next_s = now_s + _READ_EVERY_S
            heartbeats = self._client.zrange(self._key, 0, -1, withscores=True)
            stalled = self._liveness.stalled(dict(heartbeats))
            unmarked = {w: beat for w, beat in stalled.items() if beat != STALLED_MS}
            if unmarked:
                arguments = [x for w, beat in unmarked.items() for x in (w, int(beat))]
                self._mark(keys=[self._key], args=arguments)
        finally:
            self._reading.release()
