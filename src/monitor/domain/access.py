"""Who may do what. Pure."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What an API key allows: each role allows what the ones before it do."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        """Whether a key of this role may do what needs ``needed``."""
        order = tuple(Role)
        return order.index(self) >= order.index(needed)
