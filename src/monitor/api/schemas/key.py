"""What goes over the wire about API keys."""

from __future__ import annotations

import datetime as dt
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from monitor.domain.access import KeyState, Role
from monitor.resources.key import DEFAULT_OVERLAP_S, MAX_LIFETIME_S, MAX_OVERLAP_S, MIN_LIFETIME_S

KeyName = Annotated[str, Meta(min_length=1, max_length=255, description="What it is for.")]
Lifetime = Annotated[int, Meta(ge=MIN_LIFETIME_S, le=MAX_LIFETIME_S)]
Overlap = Annotated[
    int, Meta(ge=0, le=MAX_OVERLAP_S, description="Seconds that the old key goes on for.")
]


class NewKey(Struct, kw_only=True):
    """A key to be made. ``expires_in``: in so many seconds; null, the default: not by itself."""

    name: KeyName
    role: Role
    expires_in: Lifetime | None = None


class Rotation(Struct, kw_only=True):
    """How a key is replaced. ``expires_in``: seconds, null for ever; absent: as long as the key
    itself was made for."""

    overlap: Overlap = DEFAULT_OVERLAP_S
    expires_in: Lifetime | UnsetType | None = UNSET


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
