"""Entries of the audit log. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any
from uuid import UUID

from msgspec import UNSET, Struct
from msgspec.structs import asdict

from monitor.resources.check_options import kind_of
from monitor.resources.fields import Values
from monitor.resources.website import Draft, shown, shown_values


class Action(StrEnum):
    """What was done. Values are stable."""

    WEBSITE_CREATED = "website.created"
    WEBSITE_CHANGED = "website.changed"
    WEBSITE_DELETED = "website.deleted"
    WEBSITES_CHANGED = "websites.changed"
    WEBSITES_DELETED = "websites.deleted"
    WEBSITES_IMPORTED = "websites.imported"
    WEBSITES_DRY_RUN = "websites.dry_run"
    REGION_CREATED = "region.created"
    REGION_CHANGED = "region.changed"
    REGION_DELETED = "region.deleted"
    KEY_CREATED = "key.created"
    KEY_ROTATED = "key.rotated"
    KEY_REVOKED = "key.revoked"
    SECRETS_ROTATED = "secrets.rotated"
    USER_INVITED = "user.invited"
    USER_JOINED = "user.joined"
    USER_CHANGED = "user.changed"
    USER_DELETED = "user.deleted"
    USER_RESET_LINKED = "user.reset_linked"
    USER_PASSWORD_CHANGED = "user.password_changed"  # noqa: S105 - a name
    USER_SESSIONS_ENDED = "user.sessions_ended"
    ADMIN_LINKED = "admin.linked"


class Actor(Struct, frozen=True):
    """Who acts: an API key, a person, or whoever the name says, where both ids are None."""

    name: str
    key_id: UUID | None = None
    address: str | None = None
    user_id: UUID | None = None


SYSTEM = Actor("system")
"""The actor of automatic actions."""


class Change(Struct, frozen=True, omit_defaults=True):
    """A field's value before and after; absent if the field did not exist then."""

    old: Any = UNSET
    new: Any = UNSET


class Entry(Struct, frozen=True, kw_only=True):
    """A stored entry."""

    id: int
    at: dt.datetime
    actor: Actor
    action: Action
    object_id: str | None
    changes: dict[str, Change]
    details: dict[str, Any]


class AuditFilter(Struct, frozen=True, kw_only=True):
    """Which entries to list; None: any value."""

    key: UUID | None = None
    user: UUID | None = None
    action: Action | None = None
    object: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None


def created(values: Mapping[str, Any]) -> dict[str, Change]:
    """The changes that creating something with these values makes."""
    return {name: Change(new=value) for name, value in values.items()}


def removed(values: Mapping[str, Any]) -> dict[str, Change]:
    """The changes that removing something with these values makes."""
    return {name: Change(old=value) for name, value in values.items()}


def of_new(draft: Draft) -> dict[str, Change]:
    """The changes of creating a website."""
    return created(shown(draft))


def of_removed(draft: Draft) -> dict[str, Change]:
    """The changes of removing a website."""
    return removed(shown(draft))


def of_changed(old: Draft, new: Draft, resent: Collection[str]) -> dict[str, Change]:
    """The changes between two drafts; those ``resent`` are among them, whether they differ or not.

    A secret appears as the mask, before and after.
    """
    before, after = _plain(old), _plain(new)
    shown_before, shown_after = shown(old), shown(new)
    names = [n for n in shown_after if n in resent or before.get(n) != after.get(n)]
    return {name: Change(shown_before[name], shown_after[name]) for name in names}


def of_fields(sent: Values) -> dict[str, Change]:
    """The changes of a bulk change: the fields that were sent."""
    return created(shown_values(sent))


def _plain(draft: Draft) -> dict[str, Any]:
    settings = asdict(draft)
    del settings["check"], settings["encrypted"]
    return asdict(draft.check) | settings | {"kind": kind_of(draft.check)}
