"""A consumer of Dramatiq's Redis broker that loses nothing while Redis is away, and waits to be
woken instead of looking again and again.

Dramatiq's own is made anew when the connection breaks. What it had fetched stays with the old
one: held in the name of this process, so that nobody else may have it, and never worked on. And
where Redis fails at the wrong moment, its thread ends for good while the process goes on.
"""

from __future__ import annotations

import heapq
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import dramatiq
from dramatiq.brokers.redis import _RedisConsumer
from dramatiq.errors import ConnectionClosed
from redis.exceptions import RedisError

from monitor.queue.listener import WakeUps
from monitor.runtime.logging import get_logger

log = get_logger(__name__)
T = TypeVar("T")

AWAY = (RedisError, OSError, ConnectionClosed)
"""Redis cannot be reached, or takes nothing: it loads, has no memory or disk left, is a replica."""

_AGAIN_AFTER_S = 1.0

LOOK_ANYWAY_S = 4.0
"""How often a queue is looked at while wake-ups arrive. Each look is a heartbeat, too, and gives
back what dead workers held."""

_LOOKS_APART_S = 0.1
"""At least, where wake-ups come one after the other: they cost a busy worker no more than looking
ten times a second would."""


def until_there(attempt: Callable[[], T]) -> T:
    """Try until Redis takes it; blocks as long as that needs.

    Of an attempt whose answer was lost the effect may be there twice.
    """
    failed = False
    while True:
        try:
            return attempt()
        except AWAY as error:
            if not failed:
                log.warning("queue.waiting_for_redis", error=type(error).__name__)
            failed = True
            time.sleep(_AGAIN_AFTER_S)


class RedisConsumer(_RedisConsumer):
    """Waits while Redis is away, as if its queue were empty, and keeps what it has fetched."""

    def __init__(
        self, broker: Any, queue_name: str, prefetch: int, look_every_s: float, wake_ups: WakeUps
    ) -> None:
        """``look_every_s``: where no wake-ups arrive, or no more may be fetched for now."""
        super().__init__(broker, queue_name, prefetch, timeout=0)  # type: ignore[no-untyped-call] # Dramatiq's
        self._held: set[str] = set()
        self._failed = False
        self._look_every_s = look_every_s
        self._wake_ups, self._woken = wake_ups, wake_ups.event(queue_name)
        self._room = threading.Event()
        self._etas_ms: list[float] = []

    def __next__(self) -> Any:
        """The next message, or None: there is none for now, or the time of one has come."""
        # Before the look: what comes after it sets them again, and is not slept through.
        self._woken.clear()
        self._room.clear()
        full = self.outstanding_message_count >= self.prefetch
        try:
            if self._failed:
                self._give_back_unknown()
            message = super().__next__()  # type: ignore[no-untyped-call] # Dramatiq's
        except AWAY as error:
            self._wait(error)
            return None
        if message is not None:
            self._hold(message)
        elif not full:
            self._wait_for_more()
        elif self.outstanding_message_count >= self.prefetch:
            self._room.wait(min(self._look_every_s, self._next_due_s()))
        return message

    def _hold(self, message: Any) -> None:
        self._held.add(_id_of(message))
        eta_ms = message.options.get("eta")
        if isinstance(eta_ms, (int, float)):
            heapq.heappush(self._etas_ms, eta_ms)

    def _wait_for_more(self) -> None:
        """Until there may be a message on the queue, or the time of one that came here is due."""
        looked_s = time.monotonic()
        told = self._wake_ups.arrive(self.queue_name)
        patience_s = min(LOOK_ANYWAY_S if told else self._look_every_s, self._next_due_s())
        if self._woken.wait(patience_s):
            apart_s = looked_s + _LOOKS_APART_S - time.monotonic()
            time.sleep(min(max(apart_s, 0.0), patience_s))

    def _next_due_s(self) -> float:
        """Seconds until the first of those that came to wait here is due: 0 once for each.

        Dramatiq's thread queues what is due each time that it was told of a message or of none; it
        may have looked a moment too early for those that are due by now.
        """
        if not self._etas_ms:
            return math.inf
        due_s: float = max(self._etas_ms[0] - self.broker.now_ms(), 0) / 1000
        while self._etas_ms and self._etas_ms[0] <= self.broker.now_ms():
            heapq.heappop(self._etas_ms)
        return due_s

    def _wait(self, error: Exception) -> None:
        if not self._failed:
            log.warning("queue.lost", queue=self.queue_name, error=type(error).__name__)
        self._failed = True
        time.sleep(_AGAIN_AFTER_S)

    def _give_back_unknown(self) -> None:
        """Put back what Redis gave to this process and what never arrived here."""
        acks = f"{self.broker.namespace}:__acks__.{self.broker.broker_id}.{self.queue_name}"
        given = {value.decode() for value in self.broker.client.smembers(acks)}
        unknown = given - self._held
        if unknown:
            self.broker.do_requeue(self.queue_name, *unknown)
        self._failed = False
        log.info("queue.found_again", queue=self.queue_name, given_back=len(unknown))

    def ack(self, message: dramatiq.MessageProxy) -> None:
        """A message is done. Raises ConnectionClosed, after which Dramatiq tries again."""
        with _translated():
            super().ack(message)  # type: ignore[no-untyped-call] # Dramatiq's
        self._let_go(message)

    def nack(self, message: dramatiq.MessageProxy) -> None:
        """A message is given up. Raises ConnectionClosed, after which Dramatiq tries again."""
        with _translated():
            super().nack(message)  # type: ignore[no-untyped-call] # Dramatiq's
        self._let_go(message)

    def _let_go(self, message: dramatiq.MessageProxy) -> None:
        self._held.discard(_id_of(message))
        if self.outstanding_message_count <= self.prefetch * 3 // 4:
            self._room.set()  # not for each: several are fetched for the price of one

    def requeue(self, messages: Iterable[dramatiq.MessageProxy]) -> None:
        """Let others have these. Raises ConnectionClosed."""
        given_back = list(messages)
        with _translated():
            super().requeue(given_back)  # type: ignore[no-untyped-call] # Dramatiq's
            self.broker.wake(self.queue_name)
        self._held.difference_update(map(_id_of, given_back))


def _id_of(message: Any) -> str:
    found: str = message.options["redis_message_id"]
    return found


@contextmanager
def _translated() -> Iterator[None]:
    """Dramatiq knows of one error only that trying again may help."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise ConnectionClosed(error) from error  # type: ignore[no-untyped-call] # Dramatiq's
