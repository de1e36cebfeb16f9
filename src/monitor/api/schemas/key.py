"""What goes over the wire about API keys."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from msgspec import Struct

from monitor.domain.access import KeyState, Role
from monitor.resources.fields import new_struct
from monitor.resources.key import NEW_KEY_FIELDS, ROTATION_FIELDS

NewKey = new_struct("NewKey", list(NEW_KEY_FIELDS.values()), "A key to create.")
Rotation = new_struct("Rotation", list(ROTATION_FIELDS.values()), "How a key is replaced.")


class Key(Struct, kw_only=True):
    """A key without its secret. ``last_used_at`` is right to the minute. ``replaces`` and
    ``replaced_by``: the keys that it is the successor of, and that are its own."""

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


class MadeKey(Key, kw_only=True):
    """A new key. ``key`` is what to send; it is shown this once."""

    key: str


class KeyPage(Struct):
    """Keys, oldest first, and the cursor of the next page; null on the last."""

    items: list[Key]
    next_cursor: str | None
