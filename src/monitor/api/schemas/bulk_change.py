"""What goes over the wire when every website that matches is changed or removed."""

from __future__ import annotations

from msgspec import Struct


class Changed(Struct):
    """How many websites matched, and how many of them are not what they were."""

    matched: int
    changed: int
