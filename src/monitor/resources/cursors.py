"""Cursors: opaque tokens for where the next page of a list begins. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from uuid import UUID

from monitor.domain.errors import BadQuery, FieldProblem

MAX_CURSOR_LENGTH = 2000
"""A position in a list sorted by name holds the name: 255 characters of up to four bytes."""

_FINGERPRINT_BYTES = 8
_ALPHABET = re.compile(r"[A-Za-z0-9_-]+")


def fingerprint(*parts: object) -> bytes:
    """Eight bytes that identify a list and its filters."""
    return hashlib.blake2s(repr(parts).encode(), digest_size=_FINGERPRINT_BYTES).digest()


def encode(position: bytes, of: bytes) -> str:
    """The cursor for a position in the list with this fingerprint."""
    return base64.urlsafe_b64encode(position + of).rstrip(b"=").decode("ascii")


def decode(cursor: str, of: bytes) -> bytes:
    """The position that a cursor stands for.

    Raises BadQuery unless the cursor was issued for this list with these filters.
    """
    position = _bytes(cursor)[:-_FINGERPRINT_BYTES]
    if encode(position, of) != cursor:
        raise not_a_cursor()
    return position


def decode_id(cursor: str | None, of: bytes) -> UUID | None:
    """The id after which the page begins; None for the first page. Raises BadQuery."""
    if cursor is None:
        return None
    raw = decode(cursor, of)
    if len(raw) != 16:
        raise not_a_cursor()
    return UUID(bytes=raw)


def not_a_cursor() -> BadQuery:
    """The error to raise for an invalid cursor."""
    message = "is not a next_cursor of this list with these filters; begin again without it"
    return BadQuery([FieldProblem("cursor", message)])


def _bytes(cursor: str) -> bytes:
    if len(cursor) > MAX_CURSOR_LENGTH or not _ALPHABET.fullmatch(cursor):
        raise not_a_cursor()
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except binascii.Error:
        raise not_a_cursor() from None
