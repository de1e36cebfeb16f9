"""A region: what may be sent about it, and what is stored. Pure."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import Annotated

from msgspec import Struct

from monitor.resources import formats
from monitor.resources.fields import Values, checked, declarations, field


class Region(Struct, frozen=True):
    """A place that checks run from."""

    name: str
    description: str
    created_at: dt.datetime
    updated_at: dt.datetime


class RegionSettings(Struct, frozen=True, kw_only=True):
    """What may be set of a region."""

    name: Annotated[
        str,
        field(
            formats.region_name,
            "1 to 32 of a-z, 0-9 and -, starting with a letter.",
            pattern=r"^[a-z][a-z0-9-]{0,31}$",
            examples=["europe"],
        ),
    ]
    description: Annotated[
        str,
        field(partial(formats.text, most=255, least=0), "Up to 255 characters.", max_length=255),
    ] = ""


REGION_FIELDS = declarations(RegionSettings)

_CHECKS = {name: one.field.check for name, one in REGION_FIELDS.items()}
_READ_ONLY = frozenset({"created_at", "updated_at", "last_seen_at", "network"})


def new_region(body: object) -> Values:
    """The fields sent to make a region. Raises InvalidInput."""
    return checked(body, _CHECKS, _READ_ONLY, required=("name",))


def changed_region(body: object) -> Values:
    """The fields sent to change a region; its name stays. Raises InvalidInput."""
    checks = {"description": _CHECKS["description"]}
    return checked(body, checks, _READ_ONLY | {"name"})
