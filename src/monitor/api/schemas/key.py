"""Schemas of API keys."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from msgspec import Struct

from monitor.domain.access import KeyState, Role
from monitor.resources.fields import new_struct
from monitor.resources.key import NEW_KEY_FIELDS, ROTATION_FIELDS

NewKey = new_struct("NewKey", list(NEW_KEY_FIELDS.values()), "A key to create.")
Rotation = new_struct("Rotation", list(ROTATION_FIELDS.values()), "How to replace a key.")


class Key(Struct, kw_only=True):
    """A key without its secret. ``last_used_at`` is accurate to the minute. ``replaces`` is its
    predecessor, ``replaced_by`` its successor. ``created_by``: the person who made it, or whose key
    did; null if that was nobody's, or they are gone."""

    id: UUID
    name: str
    role: Role
    state: KeyState
    created_at: dt.datetime
    expires_at: dt.datetime | None
    last_used_at: dt.datetime | None
    revoked_at: dt.datetime | None
    replaces: UUID | None
    replaced_by: UUID | None
    created_by: UUID | None


class MadeKey(Key, kw_only=True):
    """A new key. ``key`` is the text to send; it is shown only once."""

    key: str


class KeyPage(Struct):
    """Keys, oldest first. ``next_cursor`` is null on the last page."""

    items: list[Key]
    next_cursor: str | None
