"""People who sign in: their states, links, sessions and limits. Pure."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Final
from uuid import UUID

from msgspec import Struct

from monitor.domain.access import Role

_DAY = dt.timedelta(days=1)


class UserState(StrEnum):
    """Whether a person may sign in. Invited: they have not chosen a password yet."""

    INVITED = "invited"
    ACTIVE = "active"
    DISABLED = "disabled"


class LinkPurpose(StrEnum):
    """What a one-time link is for."""

    FIRST_ADMIN = "first_admin"
    INVITATION = "invitation"
    RESET = "reset"


LINK_LIFETIMES: Final = {
    LinkPurpose.FIRST_ADMIN: _DAY,
    LinkPurpose.INVITATION: 7 * _DAY,
    LinkPurpose.RESET: dt.timedelta(hours=1),
}


class Person(Struct, frozen=True):
    """Somebody who is signed in, and the session that says so."""

    user_id: UUID
    session_id: UUID
    email: str
    role: Role
    zone: str


class SessionLifetime(Struct, frozen=True):
    """A session ends when it was not used for one span, and after the other in any case."""

    unused: dt.timedelta = 14 * _DAY
    total: dt.timedelta = 90 * _DAY

    @classmethod
    def of_days(cls, unused: int, total: int) -> SessionLifetime:
        """The spans in days, as settings say them."""
        return cls(unused * _DAY, total * _DAY)

    def ends_at(self, created_at: dt.datetime, last_used_at: dt.datetime) -> dt.datetime:
        """When a session ends unless it is used again."""
        return min(created_at + self.total, last_used_at + self.unused)


BROWSER_LIFETIME: Final = 400 * _DAY
"""How long a browser is remembered after a sign-in: as long as it may keep a cookie
(draft-ietf-httpbis-rfc6265bis, section 5.5)."""


class TryLimit(Struct, frozen=True):
    """So many tries at once, which come back evenly over the period (GCRA, ITU-T I.371)."""

    tries: int
    period: dt.timedelta

    @property
    def interval(self) -> dt.timedelta:
        """How long one try takes to come back."""
        return self.period / self.tries


_QUARTER_HOUR = dt.timedelta(minutes=15)
LIMIT_OF_ADDRESS: Final = TryLimit(30, _QUARTER_HOUR)
LIMIT_OF_ACCOUNT: Final = TryLimit(10, _QUARTER_HOUR)
LIMIT_OF_BROWSER: Final = TryLimit(10, _QUARTER_HOUR)


class SignInResult(StrEnum):
    """What became of a try to sign in."""

    SIGNED_IN = "signed_in"
    WRONG = "wrong"
    LIMITED = "limited"


def limits_of_try(account: str, address: str, browser: str | None) -> list[tuple[str, TryLimit]]:
    """The limits that a try to sign in counts for, by their names.

    ``browser`` names a browser in which this person has signed in before. It counts for itself, so
    that nobody can shut it out, whatever they do to the account or from the address. None: a
    stranger's, or that of whoever types an account that does not exist.

    The method is OWASP's "Slow Down Online Guessing Attacks with Device Cookies".
    """
    if browser is not None:
        return [(f"browser {browser}", LIMIT_OF_BROWSER)]
    return [(f"address {address}", LIMIT_OF_ADDRESS), (f"account {account}", LIMIT_OF_ACCOUNT)]


def is_last_admin(user_id: UUID, active_admins: frozenset[UUID]) -> bool:
    """Whether nobody would be left who can take care of the others without this person."""
    return active_admins == {user_id}
