"""API keys: the fields that callers may send. Pure."""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from monitor.domain.access import Role
from monitor.resources import formats
from monitor.resources.fields import checked, declarations, field, or_null, whole_number
from monitor.resources.formats import InvalidValue

DAY_S = 86_400
MIN_LIFETIME_S, MAX_LIFETIME_S = 60, 3650 * DAY_S
DEFAULT_OVERLAP_S, MAX_OVERLAP_S = DAY_S, 90 * DAY_S

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": DAY_S, "w": 7 * DAY_S}
_DURATION = re.compile(r"([0-9]{1,9})([smhdw])")


_lifetime = or_null(partial(formats.integer, least=MIN_LIFETIME_S, most=MAX_LIFETIME_S))


class NewKey(Struct, frozen=True, kw_only=True):
    """A key to create. ``expires_in``: lifetime in seconds; null, the default: unlimited."""

    name: Annotated[
        str,
        field(partial(formats.text, most=255), "What it is for.", min_length=1, max_length=255),
    ]
    role: Annotated[Role, field(formats.role)]
    expires_in: Annotated[
        int | None,
        field(
            _lifetime,
            wire=Annotated[int, Meta(ge=MIN_LIFETIME_S, le=MAX_LIFETIME_S)] | None,
        ),
    ] = None


class Rotation(Struct, frozen=True, kw_only=True):
    """How to replace a key. ``expires_in``: lifetime of the new key in seconds; null: unlimited;
    absent: the lifetime of the old key."""

    overlap: Annotated[
        int, whole_number(0, MAX_OVERLAP_S, "Seconds for which the old key remains valid.")
    ] = DEFAULT_OVERLAP_S
    expires_in: Annotated[
        int | UnsetType | None,
        field(
            _lifetime,
            wire=Annotated[int, Meta(ge=MIN_LIFETIME_S, le=MAX_LIFETIME_S)] | UnsetType | None,
        ),
    ] = UNSET


NEW_KEY_FIELDS, ROTATION_FIELDS = declarations(NewKey), declarations(Rotation)

_NEW = {name: one.field.check for name, one in NEW_KEY_FIELDS.items()}
_ROTATION = {name: one.field.check for name, one in ROTATION_FIELDS.items()}
_READ_ONLY = frozenset(
    {
        "id",
        "state",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
        "replaces",
        "replaced_by",
        "created_by",
        "key",
    }
)


def new_key(body: object) -> NewKey:
    """Validate the body that creates a key. Raises InvalidInput."""
    return NewKey(**checked(body, _NEW, _READ_ONLY, required=("name", "role")))


def rotation(body: object) -> Rotation:
    """Validate the body that rotates a key. Raises InvalidInput."""
    return Rotation(**checked(body, _ROTATION, _READ_ONLY | {"name", "role"}))


def seconds(text: str) -> int:
    """Parse a duration like ``90d`` into seconds. Units: s, m, h, d, w. Raises InvalidValue."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise InvalidValue("must be a number and s, m, h, d or w, like 90d")
    return int(match[1]) * _UNITS_S[match[2]]
