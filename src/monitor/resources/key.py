"""What a caller may send about an API key. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

from msgspec import UNSET, Struct, UnsetType

from monitor.domain.access import Role
from monitor.resources import formats
from monitor.resources.formats import Refused
from monitor.resources.validation import Check, checked, or_null

DAY_S = 86_400
MIN_LIFETIME_S, MAX_LIFETIME_S = 60, 3650 * DAY_S
DEFAULT_OVERLAP_S, MAX_OVERLAP_S = DAY_S, 90 * DAY_S

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": DAY_S, "w": 7 * DAY_S}
_DURATION = re.compile(r"([0-9]{1,9})([smhdw])")


class NewKey(Struct, frozen=True, kw_only=True):
    """A key to be made. ``expires_in``: seconds; None: it does not end by itself."""

    name: str
    role: Role
    expires_in: int | None = None


class Rotation(Struct, frozen=True, kw_only=True):
    """How a key is replaced. ``overlap``: seconds that it goes on for. ``expires_in``: those of its
    successor, None for ever; UNSET: as long as the key itself was made for."""

    overlap: int = DEFAULT_OVERLAP_S
    expires_in: int | UnsetType | None = UNSET


def _role(value: object) -> Role:
    if not isinstance(value, str) or value not in tuple(Role):
        raise Refused(f"must be one of {', '.join(Role)}")
    return Role(value)


_lifetime = or_null(partial(formats.integer, least=MIN_LIFETIME_S, most=MAX_LIFETIME_S))
_NEW: Mapping[str, Check] = {
    "name": partial(formats.text, most=255),
    "role": _role,
    "expires_in": _lifetime,
}
_ROTATION: Mapping[str, Check] = {
    "overlap": partial(formats.integer, least=0, most=MAX_OVERLAP_S),
    "expires_in": _lifetime,
}
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
        "key",
    }
)


def new_key(body: object) -> NewKey:
    """Check what was sent to make a key. Raises InvalidInput."""
    return NewKey(**checked(body, _NEW, _READ_ONLY, required=("name", "role")))


def rotation(body: object) -> Rotation:
    """Check what was sent to replace a key. Raises InvalidInput."""
    return Rotation(**checked(body, _ROTATION, _READ_ONLY | {"name", "role"}))


def seconds(text: str) -> int:
    """A span as a person writes it: ``90d``; the units are s, m, h, d and w. Raises Refused."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise Refused("must be a number and s, m, h, d or w, like 90d")
    return int(match[1]) * _UNITS_S[match[2]]
