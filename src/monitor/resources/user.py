"""People who sign in: the fields that callers may send. Pure."""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from monitor.domain.access import Role
from monitor.resources import formats
from monitor.resources.fields import Values, checked, declarations, field

MAX_EMAIL, MAX_ZONE = 254, 64


class UserSettings(Struct, frozen=True, kw_only=True):
    """The fields of a person that callers may set."""

    email: Annotated[
        str,
        field(formats.email, "Their e-mail address; each is one person's.", max_length=MAX_EMAIL),
    ]
    role: Annotated[Role, field(formats.role, "What they may do, as of keys.")]
    zone: Annotated[
        str,
        field(
            formats.time_zone,
            "The IANA time zone that they read times in.",
            max_length=MAX_ZONE,
            examples=["Europe/Berlin"],
        ),
    ] = "UTC"
    disabled: Annotated[
        bool,
        field(formats.boolean, "Keep them from signing in, and end their sessions at once."),
    ] = False


USER_FIELDS = declarations(UserSettings)
NEW_FIELDS = [declared for name, declared in USER_FIELDS.items() if name != "disabled"]
CHANGED_FIELDS = [declared for name, declared in USER_FIELDS.items() if name != "email"]

_NEW = {declared.name: declared.field.check for declared in NEW_FIELDS}
_CHANGED = {declared.name: declared.field.check for declared in CHANGED_FIELDS}
_READ_ONLY = frozenset(
    {"id", "state", "created_at", "disabled_at", "last_seen_at", "active_keys", "link"}
)


def new_user(body: object) -> UserSettings:
    """Validate the body that invites a person. Raises InvalidInput."""
    return UserSettings(**checked(body, _NEW, _READ_ONLY | {"disabled"}, ("email", "role")))


def changed_user(body: object) -> Values:
    """Validate the body that changes a person; the address cannot change. Raises InvalidInput."""
    return checked(body, _CHANGED, _READ_ONLY | {"email"})
