"""Regions: the fields that callers may set, and the stored form. Pure."""

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
    """The fields of a region that callers may set."""

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
    """Validate the body that creates a region. Raises InvalidInput."""
    return checked(body, _CHECKS, _READ_ONLY, required=("name",))


def changed_region(body: object) -> Values:
    """Validate the body that changes a region; the name cannot change. Raises InvalidInput."""
    checks = {"description": _CHECKS["description"]}
    return checked(body, checks, _READ_ONLY | {"name"})
