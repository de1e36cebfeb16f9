"""Schemas of the health of an API process."""

from __future__ import annotations

from msgspec import Struct


class Health(Struct):
    """The process responds."""

    status: str


class Readiness(Struct):
    """The state of each dependency: "ok" or "unavailable"; of `mail`: "failing", or no word."""

    status: str
    checks: dict[str, str]
