"""Schemas of the audit log."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from monitor.resources.audit import Action


class AuditChange(Struct, omit_defaults=True):
    """A field's value before and after; absent if the field did not exist then."""

    old: Any | UnsetType = UNSET
    new: Any | UnsetType = UNSET


class AuditEntry(Struct, kw_only=True):
    """One action.

    ``actor`` is the name of the key or the address of the person at the time, and ``key_id`` or
    ``user_id`` says which; for commands it says who ran them, and both are null, as ``address`` is.
    ``object_id``: the website, region, key, user or import; null if the action affects many.
    ``details``: counts, filters and the like.
    """

    id: int
    at: dt.datetime
    actor: str
    key_id: UUID | None
    user_id: UUID | None
    address: str | None
    action: Action
    object_id: str | None
    changes: dict[str, AuditChange]
    details: dict[str, Any]


class AuditPage(Struct):
    """Entries, newest first. ``next_cursor`` is null on the last page."""

    items: list[AuditEntry]
    next_cursor: str | None
