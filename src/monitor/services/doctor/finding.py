"""What a check of `monitor doctor` found."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec import Struct

from monitor.domain.errors import MonitorError


class State(StrEnum):
    """How something is: only ``FAILED`` is wrong; ``SKIPPED`` could not be looked at."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Finding(Struct, frozen=True):
    """What was found about ``name``, and what to do about it; nothing where all is well.

    ``what`` and ``what_to_do`` are for people: no secrets, no full stop, may be wrapped.
    """

    name: str
    state: State
    what: str
    what_to_do: str = ""


class Report:
    """Makes the findings of one check."""

    def __init__(self, name: str) -> None:
        self.name: Final = name

    def ok(self, what: str) -> Finding:
        return Finding(self.name, State.OK, what)

    def warning(self, what: str, what_to_do: str) -> Finding:
        return Finding(self.name, State.WARNING, what, what_to_do)

    def failed(self, what: str, what_to_do: str) -> Finding:
        return Finding(self.name, State.FAILED, what, what_to_do)

    def skipped(self, why: str) -> Finding:
        return Finding(self.name, State.SKIPPED, why)


def counted(number: int, noun: str) -> str:
    """Such as "1 website" and "1,000 websites"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def must_not_fail(finding: Finding) -> None:
    """Raise MonitorError, which says what to do, where something is wrong."""
    if finding.state is State.FAILED:
        raise MonitorError(f"{finding.what}: {finding.what_to_do}.")
