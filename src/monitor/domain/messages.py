"""Messages on the queues. Every message has the version of its schema, ``v``.

A worker reads its own version and older ones, and ignores unknown fields. Newer versions are
forwarded, see ``queue/broker.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct

from monitor.domain.errors import BadMessage
from monitor.domain.verdict import Flip

VERSION = 1


def checks_queue(region: str) -> str:
    """The queue of this region's workers."""
    return f"checks.{region}"


SCHEDULE_QUEUE = "schedule"
SYNC_QUEUE = "sync"
INCIDENTS_QUEUE = "incidents"
NOTIFICATIONS_QUEUE = "notifications"
UPKEEP_QUEUE = "upkeep"


class CheckBatch(Struct, frozen=True, kw_only=True):
    """Check positions lo <= p < hi of a ring for the slot at ``slot_ms`` (Unix, milliseconds)."""

    v: int = VERSION
    region: str
    interval_s: int
    lo: int
    hi: int
    slot_ms: int


class CheckWebsites(Struct, frozen=True, kw_only=True):
    """Check these websites outside batches: new and changed ones, and suspects again.

    ``in_turn``: at a slot of theirs, which their checks fill unless a batch has. Older workers do
    not send it.
    """

    v: int = VERSION
    region: str
    website_ids: list[UUID]
    slot_ms: int
    in_turn: bool = False


class RecordFlips(Struct, frozen=True, kw_only=True):
    """Changed verdicts of one region."""

    v: int = VERSION
    flips: list[Flip]


class SyncChanges(Struct, frozen=True, kw_only=True):
    """Apply the change rows to the projection."""

    v: int = VERSION


class Deliver(Struct, frozen=True, kw_only=True):
    """Deliver everything due in the outbox.

    Nothing reads ``notification_id`` any more. It is still sent because workers of the previous
    version refuse a message without it; the version after this one need not send it.
    """

    v: int = VERSION
    notification_id: UUID | None = None


Payload = CheckBatch | CheckWebsites | RecordFlips | SyncChanges | Deliver


class Outgoing(Struct, frozen=True):
    """A message to send to an actor on a queue, not before a time (Unix, ms; 0: now)."""

    queue: str
    actor: str
    payload: Payload
    not_before_ms: int = 0

    def kwargs(self) -> dict[str, Any]:
        """The payload as JSON-serialisable arguments of the actor."""
        return {"payload": msgspec.to_builtins(self.payload)}


def check_batch(batch: CheckBatch) -> Outgoing:
    return Outgoing(checks_queue(batch.region), "check_batch", batch, batch.slot_ms)


def check_websites(message: CheckWebsites) -> Outgoing:
    return Outgoing(checks_queue(message.region), "check_websites", message, message.slot_ms)


def record_flips(flips: list[Flip]) -> Outgoing:
    return Outgoing(INCIDENTS_QUEUE, "record_flips", RecordFlips(flips=flips))


def sync_changes() -> Outgoing:
    return Outgoing(SYNC_QUEUE, "sync_changes", SyncChanges())


def deliver(notification_id: UUID, not_before_ms: int = 0) -> Outgoing:
    payload = Deliver(notification_id=notification_id)
    return Outgoing(NOTIFICATIONS_QUEUE, "deliver", payload, not_before_ms)


def deliver_due(queued: Sequence[UUID]) -> list[Outgoing]:
    """One message for all of these notifications, or none without any.

    A worker delivers everything that is due, so further messages would be redundant.
    """
    return [deliver(row_id) for row_id in queued[:1]]


P = TypeVar("P", CheckBatch, CheckWebsites, RecordFlips, SyncChanges, Deliver)


def is_newer(payload: object) -> bool:
    """Whether the payload is of a newer version than this process can read."""
    version = payload.get("v") if isinstance(payload, dict) else None
    return isinstance(version, int) and version > VERSION


def decode(payload: object, kind: type[P]) -> P:
    """Decode a payload. Raises BadMessage where it is malformed or of a newer version."""
    if is_newer(payload):
        raise BadMessage(f"{kind.__name__}: a version newer than {VERSION}")
    try:
        return msgspec.convert(payload, kind)
    except msgspec.ValidationError as error:
        raise BadMessage(f"{kind.__name__}: {error}") from error
