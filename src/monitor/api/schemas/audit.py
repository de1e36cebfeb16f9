"""What goes over the wire of the audit log."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from monitor.resources.audit import Action


class AuditChange(Struct, omit_defaults=True):
    """A field as it was and as it is now; absent: there was none, or is none any more."""

    old: Any | UnsetType = UNSET
    new: Any | UnsetType = UNSET


class AuditEntry(Struct, kw_only=True):
    """One thing that was done.

    ``key_id`` and ``address`` are null where it was not done over the API; ``actor`` is the key's
    name then, or else who did it. ``object_id``: of the website, region, key or import; null where
    it is about many. ``details``: counts, filters, and the like.
    """

    id: int
    at: dt.datetime
    actor: str
    key_id: UUID | None
    address: str | None
    action: Action
    object_id: str | None
    changes: dict[str, AuditChange]
    details: dict[str, Any]


class AuditPage(Struct):
    """Entries, newest first, and the cursor of the next page; null on the last."""

    items: list[AuditEntry]
    next_cursor: str | None
