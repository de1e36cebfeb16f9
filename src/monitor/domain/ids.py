"""Identifiers. Random ones sort by creation; derived ones make repeated writes idempotent."""

from __future__ import annotations

import hashlib
from uuid import UUID, uuid5

NAMESPACE = UUID("6f2d6f53-5a0d-4a37-9f07-6d6f6e69746f")


def uuid7(unix_ms: int, random_bytes: bytes) -> UUID:
    """A version 7 UUID (RFC 9562, section 5.7) of a Unix time in ms and 10 random bytes."""
    value = (unix_ms & (2**48 - 1)) << 80 | int.from_bytes(random_bytes[:10], "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def incident_id(website_id: UUID, started_at_s: int) -> UUID:
    """The id of the incident of this website that starts at this Unix second."""
    return uuid5(NAMESPACE, f"incident:{website_id}:{started_at_s}")


def notification_id(incident: UUID, event: str, channel: str, recipient: str) -> UUID:
    """The id of the notification of this event of this incident for this recipient."""
    return uuid5(NAMESPACE, f"notification:{incident}:{event}:{channel}:{recipient}")


def sweep_id(now_s: float) -> UUID:
    """The id of the sweep of this minute, which runs in several transactions."""
    return uuid5(NAMESPACE, f"sweep:{int(now_s) // 60}")


def ring_position(website_id: UUID) -> int:
    """A website's position on its ring: a uniform 32-bit number that never changes."""
    return int.from_bytes(hashlib.blake2s(website_id.bytes, digest_size=4).digest(), "big")
