"""Schemas of the health of an API process."""

from __future__ import annotations

from msgspec import Struct


class Health(Struct):
    """The process responds."""

    status: str


class Readiness(Struct, omit_defaults=True):
    """The state of each dependency: "ok"; where not all are, "unavailable" or "misconfigured"; of
    `mail`: "failing", or no word. `remarks`: what somebody should see to, though checks go on."""

    status: str
    checks: dict[str, str]
    remarks: list[str] = []
