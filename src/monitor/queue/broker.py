"""The queue: Dramatiq over Redis, with pipelined sending and claims that send a minute once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

import dramatiq
import dramatiq.brokers.redis as dramatiq_redis
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import dq_name, q_name
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError, RedisError, WatchError
from redis.retry import Retry

from monitor.domain.messages import (
    INCIDENTS_QUEUE,
    NOTIFICATIONS_QUEUE,
    SCHEDULE_QUEUE,
    SYNC_QUEUE,
    UPKEEP_QUEUE,
    Outgoing,
    is_newer,
)
from monitor.queue.consumer import RedisConsumer, retry_until_available
from monitor.queue.listener import Listener, notify
from monitor.queue.liveness import STALLED_MS, StalledWorkers
from monitor.queue.middleware.stop_listener import StopListener
from monitor.queue.retries import retry_if_unavailable
from monitor.runtime.logging import get_logger
from monitor.storage.redis.client import make_queue_client, unavailable

log = get_logger(__name__)
T = TypeVar("T")

_POLL_EVERY_S = {
    # On the way from a check to an e-mail, which may take two seconds in all.
    INCIDENTS_QUEUE: 0.25,
    NOTIFICATIONS_QUEUE: 0.25,
    SYNC_QUEUE: 0.5,
    SCHEDULE_QUEUE: 0.5,
    UPKEEP_QUEUE: 2.0,
}
"""How often idle workers poll a central queue while they are not notified: as often as somebody
waits for its messages. Delayed messages of these queues (retries) are polled once a second."""

_POLL_CHECKS_EVERY_S = 0.2
_POLL_RETRIES_EVERY_S = 1.0

FIRST_PRIORITY = -1
"""Priority of the actors below among the messages that a worker has fetched: lower is sooner."""

_FIRST = frozenset({"check_websites"})
"""Actors whose messages go to the front of their queue. In an overloaded region batches wait; a
suspect must not wait behind them, or an outage is only reported when the overload is over: with
80 s of batches waiting, 10,000 outages took 285 s."""

_SEND_WITHIN_S = 5.0
"""Sending is given up after this long; what was sent may then be queued all the same."""

_FORWARDED_SINCE = "handed_on_since_ms"
_FORWARD_AFTER_MS = 1_000
_FORWARD_FOR_MS = 24 * 3600 * 1000


class Broker(RedisBroker):
    """Dramatiq's Redis broker with a pipeline in front.

    ``send`` does not call the enqueue hooks of middleware: none of ours needs them.
    """

    def __init__(self, redis_url: str, middleware: Sequence[dramatiq.Middleware] = ()) -> None:
        client = make_queue_client(redis_url)
        super().__init__(  # type: ignore[no-untyped-call] # Dramatiq's
            client=client,
            middleware=list(middleware),
            maintenance_chance=0,
        )
        self._sender = make_queue_client(redis_url, _SEND_WITHIN_S)
        self.stalled_workers = StalledWorkers(client, self.namespace)
        new_client = partial(make_queue_client, redis_url, retry=Retry(NoBackoff(), 0))
        self.listener, self._may_notify = Listener(new_client, self.namespace), True
        self.add_middleware(StopListener(self.listener))

    def close(self) -> None:
        """Stop waiting for messages."""
        self.listener.stop()
        self._sender.close()

    def declare_actor(self, actor: dramatiq.Actor[Any, Any]) -> None:
        """Declare an actor, which is retried quietly while a store is unavailable."""
        actor.fn = retry_if_unavailable(actor.fn)
        super().declare_actor(actor)

    def enqueue(
        self, message: dramatiq.Message[Any], *, delay: int | None = None
    ) -> dramatiq.Message[Any]:
        """Queue what must not be lost; blocks until Redis accepts it.

        A retry of a message that is about to be acknowledged, a delayed message that came due, a
        periodic message: Dramatiq and periodiq send each of them once.
        """
        return retry_until_available(lambda: self._enqueue(message, delay))

    def _enqueue(self, message: dramatiq.Message[Any], delay: int | None) -> dramatiq.Message[Any]:
        message = message.copy(options={"redis_message_id": str(uuid4())})
        if delay is not None:
            due = {"eta": self.now_ms() + delay}
            message = message.copy(queue_name=dq_name(message.queue_name), options=due)
        self.emit_before("enqueue", message, delay)
        self._notifying(lambda: self._send(self.client, [message]))
        self.emit_after("enqueue", message, delay)
        return message

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> RedisConsumer:  # noqa: ARG002 - Dramatiq's signature
        """A consumer that is notified of messages, and polls as often as its queue needs when it
        is not."""
        name = q_name(queue_name)
        poll_every_s = _POLL_EVERY_S.get(name, _POLL_CHECKS_EVERY_S)
        if name in _POLL_EVERY_S and name != queue_name:
            poll_every_s = _POLL_RETRIES_EVERY_S
        return RedisConsumer(self, queue_name, prefetch, poll_every_s, self.listener)

    def notify(self, queue_name: str) -> None:
        """Notify the consumers of a queue. Raises RedisError."""
        self._notifying(lambda: self._notify(self.client, [queue_name]))

    def now_ms(self) -> int:
        """The time that Dramatiq itself goes by, see ``SharedClockMiddleware``."""
        now_ms: int = dramatiq_redis.current_millis()  # type: ignore[attr-defined] # it imports it
        return now_ms

    def do_fetch(self, queue_name: str, prefetch: int) -> list[bytes | None]:
        """The next messages, without those that this process cannot process.

        An unreadable message goes to the dead letters and the log: Dramatiq's consumer would end
        over it, and fetch it again for ever. A message of a newer version is forwarded. A process
        that is shutting down fetches none: an idle thread would begin what another has just
        requeued, and miss the interrupt.
        """
        fetched = self._fetch(queue_name, 0 if self.listener.stopped else prefetch)
        return [data for data in fetched if data is None or self._is_ours(queue_name, data)]

    def _fetch(self, queue_name: str, prefetch: int) -> list[bytes | None]:
        """Dramatiq's fetch, which first returns what workers that are marked as stalled held."""
        must_return, now_ms = self.stalled_workers.must_return(queue_name), self.now_ms()
        unpack = self._max_unpack_size()  # type: ignore[no-untyped-call] # Dramatiq's
        arguments = (
            "fetch", now_ms, queue_name, self.broker_id, now_ms - STALLED_MS,
            self.dead_message_ttl, int(must_return), unpack, prefetch,
        )  # fmt: skip
        fetched: list[bytes | None] = self.scripts["dispatch"](
            keys=[self.namespace], args=arguments
        )
        return fetched

    def _is_ours(self, queue_name: str, data: bytes) -> bool:
        message = _decode(data)
        if message is None:
            self._dead_letter(queue_name, data)
            return False
        if queue_name == q_name(queue_name) and self._is_newer(message):
            self._forward_newer(message)
            return False
        return True

    def _dead_letter(self, queue_name: str, data: bytes) -> None:
        log.error("message.unreadable", queue=queue_name, size=len(data))
        for message_id, value in self.client.hscan_iter(f"{self.namespace}:{queue_name}.msgs"):
            if value == data:
                self.do_nack(queue_name, message_id)

    def _is_newer(self, message: dramatiq.Message[Any]) -> bool:
        """Whether only a newer version of this worker has the actor, or can read the payload."""
        unknown = bool(self.actors) and message.actor_name not in self.actors
        return unknown or is_newer(message.kwargs.get("payload"))

    def _forward_newer(self, message: dramatiq.Message[Any]) -> None:
        """Queue a message again, a little later, for a worker of a newer version.

        So none is lost in a rolling upgrade. If no such worker came within a day, the message goes
        to the dead letters.
        """
        queue, now_ms = message.queue_name, self.now_ms()
        since_ms = message.options.get(_FORWARDED_SINCE, now_ms)
        if now_ms - since_ms > _FORWARD_FOR_MS:
            log.error("message.given_up", queue=queue, actor=message.actor_name)
            self.do_nack(queue, message.options["redis_message_id"])
            return
        log.warning("message.forwarded", queue=queue, actor=message.actor_name)
        self.enqueue(message.copy(options={_FORWARDED_SINCE: since_ms}), delay=_FORWARD_AFTER_MS)
        self.do_ack(queue, message.options["redis_message_id"])

    def send(self, outgoing: Sequence[Outgoing]) -> None:
        """Queue messages, all or none. Raises Unavailable without Redis."""
        if not outgoing:
            return
        messages = self._messages(outgoing)
        try:
            self._notifying(lambda: self._send(self._sender, messages))
        except (RedisError, OSError) as error:
            raise unavailable(error) from error

    def send_once(self, claim: str, ttl_s: int, outgoing: Sequence[Outgoing]) -> bool:
        """Queue messages, all or none, unless this claim was taken before; False if it was."""
        messages = self._messages(outgoing)
        try:
            return self._notifying(lambda: self._claim(claim, ttl_s, messages))
        except WatchError:
            return False
        except (RedisError, OSError) as error:
            raise unavailable(error) from error

    def _claim(self, claim: str, ttl_s: int, queued: Sequence[dramatiq.Message[Any]]) -> bool:
        with self._sender.pipeline(transaction=True) as pipe:
            pipe.watch(claim)  # type: ignore[no-untyped-call] # of the library
            if pipe.exists(claim):
                return False
            pipe.multi()
            pipe.set(claim, 1, ex=ttl_s)
            self._put(pipe, queued)
            pipe.execute()
            return True

    def backlog(self, queue: str) -> int:
        """How many messages are on a queue or its delay queue, or are being processed."""
        try:
            with self._sender.pipeline(transaction=False) as pipe:
                for name in (queue, dq_name(queue)):
                    pipe.hlen(f"{self.namespace}:{name}.msgs")
                return sum(pipe.execute())
        except (RedisError, OSError) as error:
            raise unavailable(error) from error

    def _messages(self, outgoing: Sequence[Outgoing]) -> list[dramatiq.Message[Any]]:
        now_ms = self.now_ms()
        return [_message(item, now_ms) for item in outgoing]

    def _send(self, client: redis.Redis, queued: Sequence[dramatiq.Message[Any]]) -> None:
        with client.pipeline(transaction=True) as pipe:
            self._put(pipe, queued)
            pipe.execute()

    def _notifying(self, attempt: Callable[[], T]) -> T:
        """Stop notifying once Redis says that its user may not publish: a transaction that
        contains a forbidden command is not executed at all."""
        notified = self._may_notify
        try:
            return attempt()
        except NoPermissionError:
            if not notified:
                raise
            log.warning("listener.forbidden", advice="Allow the user of REDIS_URL all channels.")
            self._may_notify = False
            return attempt()

    def _put(self, pipe: Any, queued: Sequence[dramatiq.Message[Any]]) -> None:
        """What the enqueue of Dramatiq's dispatch script does, at either end of the list, and a
        notification for each queue."""
        for message in queued:
            name = f"{self.namespace}:{message.queue_name}"
            message_id = message.options["redis_message_id"]
            pipe.hset(f"{name}.msgs", message_id, message.encode())
            due = message.queue_name == q_name(message.queue_name)
            put = pipe.lpush if due and message.actor_name in _FIRST else pipe.rpush
            put(name, message_id)
        self._notify(pipe, [m.queue_name for m in queued])

    def _notify(self, client: Any, queues: Sequence[str]) -> None:
        if self._may_notify:
            notify(client, self.namespace, queues)


def _decode(data: bytes) -> dramatiq.Message[Any] | None:
    """A message that Dramatiq can read and acknowledge by its id; else None."""
    try:
        message = dramatiq.Message.decode(data)
        return message if isinstance(message.options["redis_message_id"], str) else None
    except Exception:  # noqa: BLE001 # whatever is wrong with it, it is unreadable
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


def own_broker() -> Broker:
    """The broker of this process."""
    broker = dramatiq.get_broker()
    assert isinstance(broker, Broker)
    return broker


async def send_all(outgoing: Sequence[Outgoing]) -> None:
    """Queue messages on this process's broker without blocking its event loop."""
    await asyncio.to_thread(own_broker().send, outgoing)
