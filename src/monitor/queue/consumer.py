"""A consumer of Dramatiq's Redis broker that loses nothing while Redis is away, and waits to be
notified instead of polling.

Dramatiq makes a new consumer when the connection breaks. What the old one had fetched stays with
it: held in the name of this process, so that no other may have it, and never processed. And if
Redis fails at the wrong moment, the consumer's thread ends for good while the process goes on.
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

from monitor.queue.listener import Listener
from monitor.runtime.logging import get_logger
from monitor.storage.redis.client import unavailable

log = get_logger(__name__)
T = TypeVar("T")

UNAVAILABLE = (RedisError, OSError, ConnectionClosed)
"""Redis cannot be reached, or refuses: it is loading, out of memory or disk, or a replica."""

_RETRY_AFTER_S = 1.0

POLL_SUBSCRIBED_EVERY_S = 4.0
"""How often a queue is polled while notifications arrive. Each poll is a heartbeat, too, and
returns what stalled workers held."""

_MIN_POLL_INTERVAL_S = 0.1
"""Between polls when notifications come one after the other: they cost a busy worker no more than
polling ten times a second would."""


def retry_until_available(attempt: Callable[[], T]) -> T:
    """Retry until Redis accepts it; blocks for as long as that takes.

    An attempt whose response was lost may have taken effect twice.
    """
    failed = False
    while True:
        try:
            return attempt()
        except UNAVAILABLE as error:
            if not failed:
                log.warning("queue.waiting_for_redis", error=str(unavailable(error)))
            failed = True
            time.sleep(_RETRY_AFTER_S)


class RedisConsumer(_RedisConsumer):
    """While Redis is away, acts as if its queue were empty and keeps what it has fetched."""

    def __init__(
        self, broker: Any, queue_name: str, prefetch: int, poll_every_s: float, listener: Listener
    ) -> None:
        """``poll_every_s`` holds while there are no notifications, or no room for more."""
        super().__init__(broker, queue_name, prefetch, timeout=0)  # type: ignore[no-untyped-call] # Dramatiq's
        self._unacked: set[str] = set()
        self._failed = False
        self._poll_every_s = poll_every_s
        self._listener, self._notified = listener, listener.event(queue_name)
        self._room = threading.Event()
        self._etas_ms: list[float] = []

    def __next__(self) -> Any:
        """The next message, or None: there is none now, or one that was fetched has come due."""
        # Cleared before the poll: what happens after it sets them again and is not slept through.
        self._notified.clear()
        self._room.clear()
        full = self.outstanding_message_count >= self.prefetch
        try:
            if self._failed:
                self._requeue_unacked()
            message = super().__next__()  # type: ignore[no-untyped-call] # Dramatiq's
        except UNAVAILABLE as error:
            self._wait(error)
            return None
        if message is not None:
            self._hold(message)
        elif not full:
            self._wait_for_more()
        elif self.outstanding_message_count >= self.prefetch:
            self._room.wait(min(self._poll_every_s, self._next_due_s()))
        return message

    def _hold(self, message: Any) -> None:
        self._unacked.add(_id_of(message))
        eta_ms = message.options.get("eta")
        if isinstance(eta_ms, (int, float)):
            heapq.heappush(self._etas_ms, eta_ms)

    def _wait_for_more(self) -> None:
        """Wait until the queue may have a message, or one that was fetched comes due."""
        polled_s = time.monotonic()
        subscribed = self._listener.subscribed(self.queue_name)
        poll_s = POLL_SUBSCRIBED_EVERY_S if subscribed else self._poll_every_s
        wait_s = min(poll_s, self._next_due_s())
        if self._notified.wait(wait_s):
            rest_s = polled_s + _MIN_POLL_INTERVAL_S - time.monotonic()
            time.sleep(min(max(rest_s, 0.0), wait_s))

    def _next_due_s(self) -> float:
        """Seconds until the first delayed message that was fetched is due: 0 once for each.

        Dramatiq's thread queues due messages whenever this consumer returns; it may have looked a
        moment too early for those that are due by now.
        """
        if not self._etas_ms:
            return math.inf
        due_s: float = max(self._etas_ms[0] - self.broker.now_ms(), 0) / 1000
        while self._etas_ms and self._etas_ms[0] <= self.broker.now_ms():
            heapq.heappop(self._etas_ms)
        return due_s

    def _wait(self, error: Exception) -> None:
        if not self._failed:
            log.warning("queue.lost", queue=self.queue_name, error=str(unavailable(error)))
        self._failed = True
        time.sleep(_RETRY_AFTER_S)

    def _requeue_unacked(self) -> None:
        """Requeue what Redis handed to this process but never arrived here."""
        acks = f"{self.broker.namespace}:__acks__.{self.broker.broker_id}.{self.queue_name}"
        handed_out = {value.decode() for value in self.broker.client.smembers(acks)}
        lost = handed_out - self._unacked
        if lost:
            self.broker.do_requeue(self.queue_name, *lost)
        self._failed = False
        log.info("queue.recovered", queue=self.queue_name, requeued=len(lost))

    def ack(self, message: dramatiq.MessageProxy) -> None:
        """The message is done. Raises ConnectionClosed, after which Dramatiq retries."""
        with _connection_closed():
            super().ack(message)  # type: ignore[no-untyped-call] # Dramatiq's
        self._release(message)

    def nack(self, message: dramatiq.MessageProxy) -> None:
        """The message is a dead letter. Raises ConnectionClosed, after which Dramatiq retries."""
        with _connection_closed():
            super().nack(message)  # type: ignore[no-untyped-call] # Dramatiq's
        self._release(message)

    def _release(self, message: dramatiq.MessageProxy) -> None:
        self._unacked.discard(_id_of(message))
        if self.outstanding_message_count <= self.prefetch * 3 // 4:
            self._room.set()  # not for each: several are fetched for the price of one

    def requeue(self, messages: Iterable[dramatiq.MessageProxy]) -> None:
        """Let other workers have these. Raises ConnectionClosed."""
        requeued = list(messages)
        with _connection_closed():
            super().requeue(requeued)  # type: ignore[no-untyped-call] # Dramatiq's
            self.broker.notify(self.queue_name)
        self._unacked.difference_update(map(_id_of, requeued))


def _id_of(message: Any) -> str:
    message_id: str = message.options["redis_message_id"]
    return message_id


@contextmanager
def _connection_closed() -> Iterator[None]:
    """Turn errors of Redis into the only one that Dramatiq retries after."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise ConnectionClosed(error) from error  # type: ignore[no-untyped-call] # Dramatiq's
