"""Schemas of people who sign in."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from msgspec import Struct

from monitor.domain.access import Role
from monitor.domain.people import LinkPurpose, UserState
from monitor.resources.fields import change_struct, new_struct
from monitor.resources.user import CHANGED_FIELDS, NEW_FIELDS

NewUser = new_struct("NewUser", NEW_FIELDS, "A person to invite.")
UserChange = change_struct(
    "UserChange", CHANGED_FIELDS, "Changes to a person; their address cannot change."
)


class User(Struct, kw_only=True):
    """A person. ``state``: they were invited and have no password yet, can sign in, or are
    disabled. ``last_seen_at`` is accurate to the minute. ``active_keys``: how many valid API keys
    they made."""

    id: UUID
    email: str
    role: Role
    zone: str
    state: UserState
    created_at: dt.datetime
    disabled_at: dt.datetime | None
    last_seen_at: dt.datetime | None
    active_keys: int


class UserLink(Struct, kw_only=True):
    """A link that can be used once, until ``expires_at``. ``token`` is shown only once: give it to
    nobody but this person."""

    purpose: LinkPurpose
    token: str
    expires_at: dt.datetime


class LinkedUser(User, kw_only=True):
    """A person and their new link; the one before it, if any, is void."""

    link: UserLink


class UserPage(Struct):
    """People, those first invited first. ``next_cursor`` is null on the last page."""

    items: list[User]
    next_cursor: str | None


class UserSession(Struct, kw_only=True):
    """A session of a person. ``last_used_at`` is accurate to the minute; it ends at ``ends_at``
    unless it is used again before. ``user_agent``: what the browser says of itself."""

    id: UUID
    created_at: dt.datetime
    last_used_at: dt.datetime
    ends_at: dt.datetime
    user_agent: str
    address: str | None


class UserSessions(Struct):
    """All sessions of a person, the last used first: at most 50."""

    items: list[UserSession]
