"""Wake-ups: whoever puts a message on a queue tells those who wait for one, over Redis pub/sub.

A wake-up may be lost, and is no more than a hint: a queue is looked at all the same, seldom while
wake-ups arrive, often while they do not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import dramatiq
import redis
from redis.exceptions import NoPermissionError, RedisError

from monitor.runtime.logging import get_logger

log = get_logger(__name__)

_LISTEN_S = 1.0
"""How long a thread listens before it sees to queues that were added meanwhile."""

_AGAIN_AFTER_S, _FORBIDDEN_AGAIN_AFTER_S = 1.0, 60.0


def channel(namespace: str, queue: str) -> str:
    """Where wake-ups of a queue are published."""
    return f"{namespace}:__wake__.{queue}"


def publish(client: redis.Redis, namespace: str, queues: Iterable[str]) -> None:
    """Wake whoever waits for these queues, once each.

    In the transaction that queues messages nobody is woken before they are there.
    """
    for queue in set(queues):
        client.publish(channel(namespace, queue), b"")


class WakeUps:
    """One thread of this process that listens, and an event for each queue that is waited for."""

    def __init__(self, connect: Callable[[], redis.Redis], namespace: str) -> None:
        """``connect`` makes a client, whose connections report at once that they broke."""
        self._connect, self._namespace = connect, namespace
        self._events: dict[str, threading.Event] = {}
        self._heard: frozenset[str] = frozenset()
        self._ended = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def event(self, queue: str) -> threading.Event:
        """Set when something was put on the queue, or may have been."""
        with self._starting:
            found = self._events.setdefault(queue, threading.Event())
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="wake-ups", daemon=True)
                self._thread.start()
        return found

    def arrive(self, queue: str) -> bool:
        """Whether this process would be told of a message on the queue just now."""
        return queue in self._heard and not self.ended

    @property
    def ended(self) -> bool:
        """Whether this process was told to end."""
        return self._ended.is_set()

    def end(self) -> None:
        """Listen no more; whoever waits wakes up."""
        self._ended.set()
        self._deaf()

    def _deaf(self) -> None:
        self._heard = frozenset()
        for event in list(self._events.values()):
            event.set()

    def _run(self) -> None:
        said = ""
        while not self.ended:
            pause_s = _AGAIN_AFTER_S
            try:
                self._listen()
            except (RedisError, OSError) as error:
                if self._heard or not said:
                    said = type(error).__name__
                    log.warning("wake_ups.lost", error=said)
                if isinstance(error, NoPermissionError):
                    pause_s = _FORBIDDEN_AGAIN_AFTER_S
            except Exception:
                # Should this thread end, its consumers would wait for wake-ups that never come.
                log.exception("wake_ups.failed")
            self._deaf()
            self._ended.wait(pause_s)

    def _listen(self) -> None:
        """Until it is ended. Raises RedisError or OSError where the connection breaks."""
        asked: set[str] = set()
        with self._connect() as client, client.pubsub() as channels:
            while not self.ended:
                if missing := self._events.keys() - asked:
                    channels.subscribe(*(channel(self._namespace, queue) for queue in missing))
                    asked |= missing
                said = channels.get_message(timeout=_LISTEN_S)
                if said is not None:
                    self._wake(said)

    def _wake(self, said: dict[str, Any]) -> None:
        """Somebody was told something, or may be from now on: what came before was not heard."""
        queue = said["channel"].decode().removeprefix(channel(self._namespace, ""))
        self._heard |= {queue}
        self._events[queue].set()


class EndOfWakeUps(dramatiq.Middleware):
    """A worker that is told to end waits for nothing more, and takes no more messages."""

    def __init__(self, wake_ups: WakeUps) -> None:
        self._wake_ups = wake_ups

    def before_worker_shutdown(self, broker: Any, worker: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        self._wake_ups.end()
