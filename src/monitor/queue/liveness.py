"""Which workers are dead, so that what they held goes back to its queues."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from redis import Redis

SILENT_S = 25.0
"""A worker whose heartbeat was the same for so long is dead; one that lives has a new one at least
every four seconds."""

LOOK_EVERY_S = 1.0
"""How often at most a look at a queue gives back what dead workers held of it. Dramatiq throws a
dice with each command instead: where one worker is left, it would take minutes."""

_READ_EVERY_S = 2.0
_BLIND_AFTER_S = 10.0
"""Who has not read the heartbeats for so long (it stood still, or Redis was away) knows nothing of
the time between: the others may have stood still with it."""

DEAD_MS = 1
"""The heartbeat of a worker that was found dead; until it has another."""

# Sets the heartbeats of the workers ARGV[1], ARGV[3], ... that are still ARGV[2], ARGV[4], ...
_MARK = f"""
for i = 1, #ARGV, 2 do
  if redis.call('ZSCORE', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    redis.call('ZADD', KEYS[1], {DEAD_MS}, ARGV[i])
  end
end
"""


class Silence:
    """Who is silent: whose heartbeat was the same for ``SILENT_S``, by a steady clock of one's own.

    What time a heartbeat says is not asked: it is that of Redis as its worker knows it, and when
    that is stepped some hear of it seconds before others. Pure but for the clock.
    """

    def __init__(self, steady: Callable[[], float]) -> None:
        self._steady = steady
        self._read_s = -math.inf
        self._since_s: dict[tuple[bytes, float], float] = {}

    def of(self, heartbeats: Mapping[bytes, float]) -> dict[bytes, float]:
        """Those that are silent, of all heartbeats of this moment by worker."""
        now_s = self._steady()
        known = self._since_s if now_s - self._read_s <= _BLIND_AFTER_S else {}
        self._read_s = now_s
        self._since_s = {beat: known.get(beat, now_s) for beat in heartbeats.items()}
        return dict(b for b, since_s in self._since_s.items() if now_s - since_s >= SILENT_S)


class DeadWorkers:
    """Finds dead workers in Redis. Threads may share it."""

    def __init__(
        self, client: Redis, namespace: str, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._client: Any = client
        self._key = f"{namespace}:__heartbeats__"
        self._mark = client.register_script(_MARK)
        self._steady = steady
        self._silence = Silence(steady)
        self._reading = threading.Lock()
        self._read_next_s = -math.inf
        self._look_next_s: dict[str, float] = {}

    def take_turn(self, queue_name: str) -> bool:
        """Whether this look at a queue is to give back what workers marked as dead held of it.

        Marks those that were found dead now and then. Raises RedisError.
        """
        now_s = self._steady()
        if now_s < self._look_next_s.get(queue_name, -math.inf):
            return False
        self._mark_dead(now_s)
        self._look_next_s[queue_name] = now_s + LOOK_EVERY_S
        return True

    def _mark_dead(self, now_s: float) -> None:
        if now_s < self._read_next_s or not self._reading.acquire(blocking=False):
            return
        try:
            self._read_next_s = now_s + _READ_EVERY_S
            found = self._client.zrange(self._key, 0, -1, withscores=True)
            silent = self._silence.of(dict(found))
            dead = {w: beat for w, beat in silent.items() if beat != DEAD_MS}
            if dead:
                self._mark(keys=[self._key], args=[x for w, b in dead.items() for x in (w, int(b))])
        finally:
            self._reading.release()
