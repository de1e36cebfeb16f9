"""What the audit log says of a change. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict

from monitor.resources import secrets
from monitor.resources.formats import written_status_codes
from monitor.resources.validation import Draft, WebsiteFields


class Action(StrEnum):
    """What was done. Values are stable."""

    WEBSITE_CREATED = "website.created"
    WEBSITE_CHANGED = "website.changed"
    WEBSITE_DELETED = "website.deleted"
    WEBSITES_CHANGED = "websites.changed"
    WEBSITES_DELETED = "websites.deleted"
    WEBSITES_IMPORTED = "websites.imported"
    REGION_CREATED = "region.created"
    REGION_CHANGED = "region.changed"
    REGION_DELETED = "region.deleted"
    KEY_CREATED = "key.created"
    KEY_ROTATED = "key.rotated"
    KEY_REVOKED = "key.revoked"
    SECRETS_ROTATED = "secrets.rotated"


class Actor(Struct, frozen=True):
    """Who does it. ``key_id``: the API key's, None where it is not done over the API."""

    name: str
    key_id: UUID | None = None
    address: str | None = None


SYSTEM = Actor("system")
"""Who does what nobody asked for."""


class Change(Struct, frozen=True, omit_defaults=True):
    """A field as it was and as it is; absent: there was none, or is none."""

    old: Any = UNSET
    new: Any = UNSET


class Entry(Struct, frozen=True, kw_only=True):
    """One thing done, as it is stored."""

    id: int
    at: dt.datetime
    actor: Actor
    action: Action
    object_id: str | None
    changes: dict[str, Change]
    details: dict[str, Any]


class Query(Struct, frozen=True, kw_only=True):
    """Which entries are wanted; None: whatever they have."""

    key: UUID | None = None
    action: Action | None = None
    object: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None


def made(values: Mapping[str, Any]) -> dict[str, Change]:
    """The changes that making something of these values is."""
    return {name: Change(new=value) for name, value in values.items()}


def removed(values: Mapping[str, Any]) -> dict[str, Change]:
    """The changes that removing something of these values is."""
    return {name: Change(old=value) for name, value in values.items()}


def of_new(draft: Draft) -> dict[str, Change]:
    """A website that is made."""
    return made(_shown(draft))


def of_removed(draft: Draft) -> dict[str, Change]:
    """A website that is removed."""
    return removed(_shown(draft))


def of_changed(old: Draft, new: Draft) -> dict[str, Change]:
    """A website that is changed; of a hidden value that is another now, both read as the mask."""
    before, after = _plain(old), _plain(new)
    shown_before, shown_after = _shown(old), _shown(new)
    names = [name for name in after if before[name] != after[name]]
    return {name: Change(shown_before[name], shown_after[name]) for name in names}


def of_fields(fields: WebsiteFields) -> dict[str, Change]:
    """Many websites that are changed: what was sent."""
    headers, body = fields.request_headers, fields.request_body
    sent = {n: v for n, v in asdict(fields).items() if v is not UNSET}
    if not isinstance(headers, UnsetType):
        sent["request_headers"] = secrets.masked_headers(headers)
    if not isinstance(body, UnsetType):
        sent["request_body"] = secrets.masked_body(body)
    if not isinstance(fields.expected_status_codes, UnsetType):
        sent["expected_status_codes"] = written_status_codes(fields.expected_status_codes)
    return made(sent)


def _shown(draft: Draft) -> dict[str, Any]:
    found = _plain(draft) | asdict(secrets.masked(draft.check))
    return found | {
        "expected_status_codes": written_status_codes(draft.check.expected_status_codes)
    }


def _plain(draft: Draft) -> dict[str, Any]:
    found = asdict(draft)
    del found["check"], found["sealed"]
    return asdict(draft.check) | found
