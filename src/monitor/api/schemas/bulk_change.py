"""Schemas of changes to all matching websites."""

from __future__ import annotations

from msgspec import Struct


class Changed(Struct):
    """How many websites matched, and how many of those were changed or removed."""

    matched: int
    changed: int
