"""Who may do what. Pure."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from msgspec import Struct


class Role(StrEnum):
    """What an API key allows: each role allows what the ones before it do."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        """Whether a key of this role may do what needs ``needed``."""
        order = tuple(Role)
        return order.index(self) >= order.index(needed)


class KeyState(StrEnum):
    """Whether a key works, and if not, why not."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Refusal(StrEnum):
    """Why nobody is let in: nothing was sent that could be a key, there is no such key, or the
    key, rightly given, has ended."""

    MISSING = "missing"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Identity(Struct, frozen=True):
    """Who asks: a key that works."""

    key_id: UUID
    name: str
    role: Role
