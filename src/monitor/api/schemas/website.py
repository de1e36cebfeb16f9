"""Schemas of websites, derived from their declared fields."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Union
from uuid import UUID

from msgspec import NODEFAULT, UNSET, Meta, Struct, UnsetType

from monitor.api.schemas import figures
from monitor.domain.status import Status
from monitor.resources.check_options import DEFAULT_KIND, KINDS
from monitor.resources.fields import Declared, Field, change_struct, new_struct, shown_struct
from monitor.resources.website import fields_of

_KIND = Meta(description="The kind of check.")


def _kind(kind: str) -> Declared:
    """The field ``kind``, which is optional for the default kind."""
    default = kind if kind == DEFAULT_KIND else NODEFAULT
    return Declared("kind", Field(str, _KIND), Literal[kind], default, NODEFAULT)


def _name(base: str, kind: str) -> str:
    return base if kind == DEFAULT_KIND else f"{kind.title()}{base}"


def _any(structs: list[type[Struct]]) -> Any:
    return Union[tuple(structs)]  # noqa: UP007 - made from a registry


def _changed(kind: str) -> list[Declared]:
    return [*fields_of(kind).values(), _kind(kind)]


def _shown(kind: str) -> dict[str, Any]:
    """The type of every field in a response, where the name is never null."""
    fields = {name: one.wire for name, one in fields_of(kind).items()}
    return {"id": UUID} | fields | {"name": str, "kind": Literal[kind]}


if TYPE_CHECKING:
    NewWebsite: TypeAlias = Any
    WebsiteChange: TypeAlias = Any
    WebsitesChange: TypeAlias = Any
    Website: TypeAlias = Any
    ExportedWebsite: TypeAlias = Any
else:
    NewWebsite = _any(
        [
            new_struct(
                _name("NewWebsite", kind),
                [*fields_of(kind).values(), _kind(kind)],
                "A website to monitor. Times are in seconds.",
            )
            for kind in KINDS
        ]
    )
    WebsiteChange = _any(
        [
            change_struct(
                _name("WebsiteChange", kind),
                _changed(kind),
                "Changes to a website; fields that are not sent keep their values.",
            )
            for kind in KINDS
        ]
    )
    WebsitesChange = _any(
        [
            change_struct(
                _name("WebsitesChange", kind),
                [one for one in _changed(kind) if one.name != "external_id"],
                "Changes to many websites; fields that are not sent keep their values.",
            )
            for kind in KINDS
        ]
    )
    Website = _any(
        [
            shown_struct(
                _name("Website", kind),
                _shown(kind)
                | {
                    "regions": list[str],
                    "status": Status,
                    "created_at": dt.datetime,
                    "updated_at": dt.datetime,
                },
                "A website. ``regions`` lists the regions it is checked from, even if that is all "
                "of them. Lists have uptimes, the p95 and the strips with `include=uptime`.",
                figures.FIELDS,
            )
            for kind in KINDS
        ]
    )
    ExportedWebsite = _any(
        [
            shown_struct(
                _name("ExportedWebsite", kind),
                _shown(kind),
                "The fields that POST /websites accepts, and the id. ``regions`` null: all, "
                "including future ones.",
            )
            for kind in KINDS
        ]
    )


class WebsitePage(Struct):
    """Websites. ``next_cursor`` is null on the last page.

    ``figures_at``: the end of the last hour whose roll-up is in ``p95_24h_ms``, and in what the
    list is sorted by; null before the first. It is there if the list has either.
    """

    items: list[Website]
    next_cursor: str | None
    figures_at: dt.datetime | UnsetType | None = UNSET
