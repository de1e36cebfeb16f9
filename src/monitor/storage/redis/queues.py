"""The depth and age of Dramatiq's queues, with a few commands per queue, however long it is.

For a queue Q, Dramatiq 2.2 has a list of message ids (not yet fetched), a hash of messages (not
yet done, fetched ones included), the same as Q.DQ for messages with an ``eta``, and a sorted set
Q.XQ of dead letters (dramatiq/brokers/redis/dispatch.lua).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from monitor.storage.redis.client import translated

_NAMESPACE = "dramatiq"
_SAMPLE = 16
"""How many messages at each end of a list are examined for their age."""


class QueueDepth(Struct, frozen=True):
    """Messages of a queue: not yet fetched, delayed, fetched by workers, dead-lettered.

    ``due_lag_s``: how long the oldest message that is not fetched has been due; 0.0 where none
    is. It is the oldest of 16 at each end of both lists: ids are in the order of sending, those
    of one minute in the order of their slots, and messages of a dead worker return to the end. So
    it is exact, except for messages retried or requeued into the middle of a queue.
    """

    waiting: int
    delayed: int
    taken: int
    dead: int
    due_lag_s: float


class _Message(Struct):
    message_timestamp: float
    options: dict[str, Any] = {}
    kwargs: dict[str, Any] = {}


_decode = msgspec.json.Decoder(_Message).decode


async def depths(redis: Redis, queues: Sequence[str], now_s: float) -> dict[str, QueueDepth]:
    """The depth of each queue, in two round trips. Raises Unavailable without Redis."""
    with translated():
        async with redis.pipeline(transaction=False) as pipe:
            for queue in queues:
                _read(pipe, queue)
            values_of_all = await pipe.execute()
        each = [values_of_all[i : i + 8] for i in range(0, len(values_of_all), 8)]
        async with redis.pipeline(transaction=False) as pipe:
            for queue, values in zip(queues, each, strict=True):
                pipe.hmget(f"{_NAMESPACE}:{queue}.msgs", ["", *values[4], *values[5]])
                pipe.hmget(f"{_NAMESPACE}:{queue}.DQ.msgs", ["", *values[6], *values[7]])
            messages = await pipe.execute()
    pairs = zip(messages[::2], messages[1::2], strict=True)
    return {
        queue: _depth(values, [*now, *later], now_s)
        for queue, values, (now, later) in zip(queues, each, pairs, strict=True)
    }


def _read(pipe: Any, queue: str) -> None:
    name = f"{_NAMESPACE}:{queue}"
    pipe.llen(name)
    pipe.hlen(f"{name}.msgs")
    pipe.hlen(f"{name}.DQ.msgs")
    pipe.zcard(f"{name}.XQ")
    for ids in (name, f"{name}.DQ"):
        pipe.lrange(ids, 0, _SAMPLE - 1)
        pipe.lrange(ids, -_SAMPLE, -1)


def _depth(values: Sequence[Any], messages: Sequence[bytes | None], now_s: float) -> QueueDepth:
    waiting, not_done, delayed, dead = values[:4]
    due = [at for data in messages if data is not None and (at := _due_s(data)) is not None]
    return QueueDepth(
        waiting=waiting,
        delayed=delayed,
        taken=max(not_done - waiting, 0),  # the two are not counted at the same instant
        dead=dead,
        due_lag_s=max(0.0, now_s - min(due, default=now_s)),
    )


def _due_s(data: bytes) -> float | None:
    """When a message is or was due, in Unix seconds; None where it cannot be read.

    A message that is no longer delayed has lost its ``eta``, but a batch still names its slot.
    """
    try:
        message = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    payload = message.kwargs.get("payload")
    slot_ms = payload.get("slot_ms") if isinstance(payload, dict) else None
    for at_ms in (message.options.get("eta"), slot_ms):
        if isinstance(at_ms, int | float):
            return at_ms / 1000
    return message.message_timestamp / 1000
