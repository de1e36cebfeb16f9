"""The queue: Dramatiq over Redis, many messages in one round trip, and a minute's only once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

import dramatiq
import dramatiq.brokers.redis as dramatiq_redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import dq_name, q_name
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError, RedisError, WatchError
from redis.retry import Retry

from monitor.domain.errors import Unavailable
from monitor.domain.messages import (
    INCIDENTS_QUEUE,
    NOTIFICATIONS_QUEUE,
    SCHEDULE_QUEUE,
    SYNC_QUEUE,
    UPKEEP_QUEUE,
    Outgoing,
    is_newer,
)
from monitor.queue.consumer import RedisConsumer, until_there
from monitor.queue.listener import EndOfWakeUps, WakeUps, publish
from monitor.queue.liveness import DEAD_MS, DeadWorkers
from monitor.runtime.logging import get_logger
from monitor.storage.redis.client import make_queue_client

log = get_logger(__name__)
T = TypeVar("T")

_LOOK_EVERY_S = {
    # On the way from a check to a mail, which may take two seconds in all.
    INCIDENTS_QUEUE: 0.25,
    NOTIFICATIONS_QUEUE: 0.25,
    SYNC_QUEUE: 0.5,
    SCHEDULE_QUEUE: 0.5,
    UPKEEP_QUEUE: 2.0,
}
"""How long an idle worker may take to see a message on a central queue while no wake-ups arrive: as
often as somebody waits for it, and for what these queues delay (retries) once a second."""

_LOOK_FOR_CHECKS_EVERY_S = 0.2
_LOOK_FOR_RETRIES_EVERY_S = 1.0

FIRST_PRIORITY = -1
"""Of the actors below, among the messages that a worker has fetched: less is sooner."""

_FIRST = frozenset({"check_websites"})
"""Actors whose messages go to the front of their queue. Where a region has more to do than it can,
its batches wait; a suspect must not wait behind them, or an outage is told when the overload is
over: with 80 s of batches waiting, 10,000 outages took 285 s."""

_HANDED_ON_SINCE = "handed_on_since_ms"
_HAND_ON_AFTER_MS = 1_000
_HAND_ON_FOR_MS = 24 * 3600 * 1000


class Broker(RedisBroker):
    """Dramatiq's Redis broker with a pipeline in front.

    Middleware hooks on enqueueing are not called for messages sent this way: none of ours has any.
    """

    def __init__(self, redis_url: str, middleware: Sequence[dramatiq.Middleware] = ()) -> None:
        client = make_queue_client(redis_url)
        super().__init__(  # type: ignore[no-untyped-call] # Dramatiq's
            client=client,
            middleware=list(middleware),
            maintenance_chance=0,
        )
        self.dead_workers = DeadWorkers(client, self.namespace)
        listens = partial(make_queue_client, redis_url, retry=Retry(NoBackoff(), 0))
        self.wake_ups, self._may_wake = WakeUps(listens, self.namespace), True
        self.add_middleware(EndOfWakeUps(self.wake_ups))

    def close(self) -> None:
        """Wait for nothing more."""
        self.wake_ups.end()

    def enqueue(
        self, message: dramatiq.Message[Any], *, delay: int | None = None
    ) -> dramatiq.Message[Any]:
        """Queue what must not be lost, as soon as Redis takes it: blocks while it is away.

        A retry of a message that is about to be acknowledged, one whose time has come, the work
        of a minute: Dramatiq and periodiq send each of them once.
        """
        return until_there(lambda: self._enqueue(message, delay))

    def _enqueue(self, message: dramatiq.Message[Any], delay: int | None) -> dramatiq.Message[Any]:
        message = message.copy(options={"redis_message_id": str(uuid4())})
        if delay is not None:
            due = {"eta": self.now_ms() + delay}
            message = message.copy(queue_name=dq_name(message.queue_name), options=due)
        self.emit_before("enqueue", message, delay)
        self._waking(lambda: self._send([message]))
        self.emit_after("enqueue", message, delay)
        return message

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> RedisConsumer:  # noqa: ARG002 - Dramatiq's signature
        """A consumer that is woken, and looks as often as its queue needs where it would not be."""
        name = q_name(queue_name)
        look_every_s = _LOOK_EVERY_S.get(name, _LOOK_FOR_CHECKS_EVERY_S)
        if name in _LOOK_EVERY_S and name != queue_name:
            look_every_s = _LOOK_FOR_RETRIES_EVERY_S
        return RedisConsumer(self, queue_name, prefetch, look_every_s, self.wake_ups)

    def wake(self, queue_name: str) -> None:
        """Let those who wait for a queue look at it. Raises RedisError."""
        self._waking(lambda: self._publish(self.client, [queue_name]))

    def now_ms(self) -> int:
        """The time that Dramatiq itself goes by, see ``actors.keep_time``."""
        now_ms: int = dramatiq_redis.current_millis()  # type: ignore[attr-defined] # it imports it
        return now_ms

    def do_fetch(self, queue_name: str, prefetch: int) -> list[bytes | None]:
        """The next messages. One that is none goes to the dead letters of its queue and the log:
        Dramatiq's consumer would end over it, and find it again for ever. One of a newer version is
        handed on. A process that was told to end takes none: an idle thread would begin what
        another has just handed back, and not be told.
        """
        found = self._fetch(queue_name, 0 if self.wake_ups.ended else prefetch)
        return [data for data in found if data is None or self._is_ours(queue_name, data)]

    def _fetch(self, queue_name: str, prefetch: int) -> list[bytes | None]:
        """Dramatiq's fetch, which gives back first what those that are marked as dead held."""
        look, now_ms = self.dead_workers.take_turn(queue_name), self.now_ms()
        unpack = self._max_unpack_size()  # type: ignore[no-untyped-call] # Dramatiq's
        arguments = (
            "fetch", now_ms, queue_name, self.broker_id, now_ms - DEAD_MS,
            self.dead_message_ttl, int(look), unpack, prefetch,
        )  # fmt: skip
        found: list[bytes | None] = self.scripts["dispatch"](keys=[self.namespace], args=arguments)
        return found

    def _is_ours(self, queue_name: str, data: bytes) -> bool:
        message = _read(data)
        if message is None:
            self._put_aside(queue_name, data)
            return False
        if queue_name == q_name(queue_name) and self._is_newer(message):
            self._hand_on(message)
            return False
        return True

    def _put_aside(self, queue_name: str, data: bytes) -> None:
        log.error("message.unreadable", queue=queue_name, size=len(data))
        for message_id, value in self.client.hscan_iter(f"{self.namespace}:{queue_name}.msgs"):
            if value == data:
                self.do_nack(queue_name, message_id)

    def _is_newer(self, message: dramatiq.Message[Any]) -> bool:
        """Whether only a newer version of this worker has the actor, or can read the payload."""
        unknown = bool(self.actors) and message.actor_name not in self.actors
        return unknown or is_newer(message.kwargs.get("payload"))

    def _hand_on(self, message: dramatiq.Message[Any]) -> None:
        """Queue a message again, a little later, for a worker that knows what to do with it.

        It is not lost while the workers of a queue are replaced one by one. After a day in which
        there was none it goes to the dead letters.
        """
        queue, now_ms = message.queue_name, self.now_ms()
        since_ms = message.options.get(_HANDED_ON_SINCE, now_ms)
        if now_ms - since_ms > _HAND_ON_FOR_MS:
            log.error("message.given_up", queue=queue, actor=message.actor_name)
            self.do_nack(queue, message.options["redis_message_id"])
            return
        log.warning("message.handed_on", queue=queue, actor=message.actor_name)
        self.enqueue(message.copy(options={_HANDED_ON_SINCE: since_ms}), delay=_HAND_ON_AFTER_MS)
        self.do_ack(queue, message.options["redis_message_id"])

    def send(self, outgoing: Sequence[Outgoing]) -> None:
        """Queue messages, all or none. Raises Unavailable without Redis."""
        if not outgoing:
            return
        messages = self._messages(outgoing)
        try:
            self._waking(lambda: self._send(messages))
        except (RedisError, OSError) as error:
            raise Unavailable("redis", type(error).__name__) from error

    def send_once(self, claim: str, ttl_s: int, outgoing: Sequence[Outgoing]) -> bool:
        """Queue messages, all or none, unless this claim was made before; False where it was."""
        messages = self._messages(outgoing)
        try:
            return self._waking(lambda: self._claim(claim, ttl_s, messages))
        except WatchError:
            return False
        except (RedisError, OSError) as error:
            raise Unavailable("redis", type(error).__name__) from error

    def _claim(self, claim: str, ttl_s: int, queued: Sequence[dramatiq.Message[Any]]) -> bool:
        with self.client.pipeline(transaction=True) as pipe:
            pipe.watch(claim)
            if pipe.exists(claim):
                return False
            pipe.multi()
            pipe.set(claim, 1, ex=ttl_s)
            self._put(pipe, queued)
            pipe.execute()
            return True

    def backlog(self, queue: str) -> int:
        """How many messages wait on a queue, are on its delay queue, or are being worked on."""
        try:
            with self.client.pipeline(transaction=False) as pipe:
                for name in (queue, dq_name(queue)):
                    pipe.hlen(f"{self.namespace}:{name}.msgs")
                return sum(pipe.execute())
        except (RedisError, OSError) as error:
            raise Unavailable("redis", type(error).__name__) from error

    def _messages(self, outgoing: Sequence[Outgoing]) -> list[dramatiq.Message[Any]]:
        now_ms = self.now_ms()
        return [_message(item, now_ms) for item in outgoing]

    def _send(self, queued: Sequence[dramatiq.Message[Any]]) -> None:
        with self.client.pipeline(transaction=True) as pipe:
            self._put(pipe, queued)
            pipe.execute()

    def _waking(self, attempt: Callable[[], T]) -> T:
        """Without wake-ups from the moment on in which Redis says that its user may not publish: a
        transaction with a forbidden command in it is not executed at all."""
        woke = self._may_wake
        try:
            return attempt()
        except NoPermissionError:
            if not woke:
                raise
            log.warning("wake_ups.forbidden", advice="Allow the user of REDIS_URL all channels.")
            self._may_wake = False
            return attempt()

    def _put(self, pipe: Any, queued: Sequence[dramatiq.Message[Any]]) -> None:
        """What the enqueue of Dramatiq's dispatch script does, at either end of the list, and a
        wake-up for each queue."""
        for message in queued:
            name = f"{self.namespace}:{message.queue_name}"
            message_id = message.options["redis_message_id"]
            pipe.hset(f"{name}.msgs", message_id, message.encode())
            due = message.queue_name == q_name(message.queue_name)
            put = pipe.lpush if due and message.actor_name in _FIRST else pipe.rpush
            put(name, message_id)
        self._publish(pipe, [m.queue_name for m in queued])

    def _publish(self, client: Any, queues: Sequence[str]) -> None:
        if self._may_wake:
            publish(client, self.namespace, queues)


def _read(data: bytes) -> dramatiq.Message[Any] | None:
    """A message that Dramatiq can read and knows by which name to acknowledge; else None."""
    try:
        message = dramatiq.Message.decode(data)
        return message if isinstance(message.options["redis_message_id"], str) else None
    except Exception:  # noqa: BLE001 # whatever it is, it is no message
        return None


def _message(item: Outgoing, now_ms: int) -> dramatiq.Message[Any]:
    options: dict[str, Any] = {"redis_message_id": str(uuid4())}
    queue = item.queue
    if item.not_before_ms > now_ms:
        queue = dq_name(queue)
        options["eta"] = item.not_before_ms
    return dramatiq.Message(
        queue_name=queue, actor_name=item.actor, args=(), kwargs=item.kwargs(), options=options
    )


async def send_all(outgoing: Sequence[Outgoing]) -> None:
    """Queue messages on this process's broker without blocking its event loop."""
    broker = dramatiq.get_broker()
    assert isinstance(broker, Broker)
    await asyncio.to_thread(broker.send, outgoing)
