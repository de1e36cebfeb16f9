"""What goes over the wire of an API process's own health."""

from __future__ import annotations

from msgspec import Struct


class Health(Struct):
    """The process answers."""

    status: str


class Readiness(Struct):
    """Whether each dependency answers: "ok" or "unavailable"."""

    status: str
    checks: dict[str, str]
