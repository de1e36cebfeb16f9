"""A consumer of Dramatiq's Redis broker that loses nothing while Redis is away.

Dramatiq's own is made anew when the connection breaks. What it had fetched stays with the old
one: held in the name of this process, so that nobody else may have it, and never worked on. And
where Redis fails at the wrong moment, its thread ends for good while the process goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import dramatiq
from dramatiq.brokers.redis import _RedisConsumer
from dramatiq.errors import ConnectionClosed
from redis.exceptions import RedisError

from monitor.logs import get_logger

log = get_logger(__name__)
T = TypeVar("T")

AWAY = (RedisError, OSError, ConnectionClosed)
"""Redis cannot be reached, or takes nothing: it loads, has no memory or disk left, is a replica."""

_AGAIN_AFTER_S = 1.0


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

    def __init__(self, broker: Any, queue_name: str, prefetch: int, timeout: int) -> None:
        super().__init__(broker, queue_name, prefetch, timeout)  # type: ignore[no-untyped-call] # Dramatiq's
        self._held: set[str] = set()
        self._failed = False

    def __next__(self) -> Any:
        """The next message, or None: there is none for now."""
        try:
            if self._failed:
                self._give_back_unknown()
            message = super().__next__()  # type: ignore[no-untyped-call] # Dramatiq's
        except AWAY as error:
            self._wait(error)
            return None
        if message is not None:
            self._held.add(_id_of(message))
        return message

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
        self._held.discard(_id_of(message))

    def nack(self, message: dramatiq.MessageProxy) -> None:
        """A message is given up. Raises ConnectionClosed, after which Dramatiq tries again."""
        with _translated():
            super().nack(message)  # type: ignore[no-untyped-call] # Dramatiq's
        self._held.discard(_id_of(message))

    def requeue(self, messages: Iterable[dramatiq.MessageProxy]) -> None:
        """Let others have these. Raises ConnectionClosed."""
        given_back = list(messages)
        with _translated():
            super().requeue(given_back)  # type: ignore[no-untyped-call] # Dramatiq's
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
