"""Roles and identities. Pure."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from msgspec import Struct


class Role(StrEnum):
    """What an API key allows: each role includes the ones before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        """Whether this role includes ``needed``."""
        order = tuple(Role)
        return order.index(self) >= order.index(needed)


class KeyState(StrEnum):
    """Whether a key is valid, and if not, why."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Refusal(StrEnum):
    """Why a request is not authenticated: no key was sent, the key is unknown, or it has ended."""

    MISSING = "missing"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Identity(Struct, frozen=True):
    """The caller: a valid key."""

    key_id: UUID
    name: str
    role: Role
