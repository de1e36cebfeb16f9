"""Notifications of new messages over Redis pub/sub, so that idle workers need not poll.

A notification may be lost and is no more than a hint: consumers poll all the same, seldom while
they are subscribed, often while they are not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import redis
from redis.exceptions import NoPermissionError, RedisError

from monitor.runtime.logging import get_logger

log = get_logger(__name__)

_LISTEN_S = 1.0
"""How long the thread listens before it subscribes to queues that were added meanwhile."""

_RECONNECT_AFTER_S, _FORBIDDEN_RETRY_AFTER_S = 1.0, 60.0


def channel(namespace: str, queue: str) -> str:
    """The channel on which new messages of a queue are notified."""
    return f"{namespace}:__wake__.{queue}"


def notify(client: redis.Redis, namespace: str, queues: Iterable[str]) -> None:
    """Notify the consumers of these queues, each queue once.

    Within the transaction that queues the messages, so that nobody wakes before they are there.
    """
    for queue in set(queues):
        client.publish(channel(namespace, queue), b"")


class Listener:
    """The one thread of this process that listens, and an event for each queue it listens to."""

    def __init__(self, connect: Callable[[], redis.Redis], namespace: str) -> None:
        """``connect`` makes a client whose connections fail at once when they break."""
        self._connect, self._namespace = connect, namespace
        self._events: dict[str, threading.Event] = {}
        self._subscribed: frozenset[str] = frozenset()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def event(self, queue: str) -> threading.Event:
        """The event that is set when the queue has, or may have, a new message."""
        with self._lock:
            event = self._events.setdefault(queue, threading.Event())
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
                self._thread.start()
        return event

    def subscribed(self, queue: str) -> bool:
        """Whether this process would be notified of a new message on the queue just now."""
        return queue in self._subscribed and not self.stopped

    @property
    def stopped(self) -> bool:
        """Whether this process is shutting down."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Stop listening, and wake every consumer."""
        self._stopped.set()
        self._unsubscribed()

    def _unsubscribed(self) -> None:
        self._subscribed = frozenset()
        for event in list(self._events.values()):
            event.set()

    def _run(self) -> None:
        error_name = ""
        while not self.stopped:
            pause_s = _RECONNECT_AFTER_S
            try:
                self._listen()
            except (RedisError, OSError) as error:
                if self._subscribed or not error_name:
                    error_name = type(error).__name__
                    log.warning("listener.lost", error=error_name)
                if isinstance(error, NoPermissionError):
                    pause_s = _FORBIDDEN_RETRY_AFTER_S
            except Exception:
                # If this thread ended, its consumers would wait for notifications that never come.
                log.exception("listener.failed")
            self._unsubscribed()
            self._stopped.wait(pause_s)

    def _listen(self) -> None:
        """Listen until stopped. Raises RedisError or OSError when the connection breaks."""
        requested: set[str] = set()
        with self._connect() as client, client.pubsub() as pubsub:
            while not self.stopped:
                if missing := self._events.keys() - requested:
                    pubsub.subscribe(*(channel(self._namespace, queue) for queue in missing))
                    requested |= missing
                message = pubsub.get_message(timeout=_LISTEN_S)
                if message is not None:
                    self._wake(message)

    def _wake(self, message: dict[str, Any]) -> None:
        """Wake the consumers of a queue: it was notified, or its subscription has just begun and
        earlier notifications were missed."""
        queue = message["channel"].decode().removeprefix(channel(self._namespace, ""))
        self._subscribed |= {queue}
        self._events[queue].set()
