"""Bulk imports: parsed lines, their outcomes, and the state of an import. Pure."""

from __future__ import annotations

import datetime as dt
import re
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from monitor.domain.errors import FieldProblem, InvalidInput, MonitorError
from monitor.domain.outcome import printable
from monitor.resources.encodings import BOM
from monitor.resources.fields import Values
from monitor.resources.lines import MAX_LINE_BYTES, LongLine
from monitor.resources.website import new_website

MAX_KEY_LENGTH = 255
MAX_FAILURES = 100
"""How many failed lines an import lists; its results have all of them."""

_KEY = re.compile(rf"[\x21-\x7e](?:[\x20-\x7e]{{0,{MAX_KEY_LENGTH - 2}}}[\x21-\x7e])?")

_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")  # RFC 9562, section 4


class ImportState(StrEnum):
    """The state of an import. Interrupted: no process works on it; resending continues it."""

    RUNNING = "running"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"


class LineResult(StrEnum):
    """The outcome of a line."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    FAILED = "failed"


class ProcessedLine(Struct, frozen=True, array_like=True):
    """The outcome of one line. ``id``: the website's; None if the line failed or a dry run would
    have created the website. ``errors`` and ``code`` say why a line failed."""

    line: int
    result: LineResult
    id: UUID | None = None
    errors: list[FieldProblem] = []
    code: str | None = None


class Counts(Struct, frozen=True):
    """Lines by outcome; ``lines`` includes empty ones."""

    lines: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: int = 0

    @property
    def changed(self) -> int:
        return self.created + self.updated

    def plus(self, lines: int, outcomes: list[ProcessedLine]) -> Counts:
        """The counts after ``lines`` more lines; ``outcomes`` are of those not empty."""
        results = [o.result for o in outcomes]
        return Counts(
            self.lines + lines,
            self.created + results.count(LineResult.CREATED),
            self.updated + results.count(LineResult.UPDATED),
            self.unchanged + results.count(LineResult.UNCHANGED),
            self.failed + results.count(LineResult.FAILED),
        )


class BulkImport(Struct, frozen=True, kw_only=True):
    """The state of an import. ``chunks``: how many are stored."""

    id: UUID
    state: ImportState
    dry_run: bool
    idempotency_key: str | None
    chunks: int
    counts: Counts
    failures: list[ProcessedLine]
    created_at: dt.datetime
    finished_at: dt.datetime | None


class KeyReused(MonitorError):
    """Another import was sent with this Idempotency-Key."""


class Candidate(Struct, frozen=True):
    """A line whose fields are each valid. ``id``: the website it names, if any."""

    line: int
    id: UUID | None
    fields: Values


def key_ok(key: str) -> bool:
    """Whether this is a valid Idempotency-Key: 1 to 255 ASCII characters, no space at the ends."""
    return _KEY.fullmatch(key) is not None


def read_line(number: int, line: bytes | LongLine) -> Candidate | ProcessedLine | None:
    """Parse a line, or say why it failed; None if it is empty.

    A byte order mark is ignored: files that were joined may have one on any of their lines.
    """
    if isinstance(line, LongLine):
        return failure(number, "line_too_long", "line", f"is longer than {MAX_LINE_BYTES} bytes")
    line = line.removeprefix(BOM)
    if not line or line.isspace():
        return None
    try:
        return _candidate(number, msgspec.json.decode(line))
    except InvalidInput as error:
        return refused(number, error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        message = f"is not JSON in UTF-8: {printable(reason)}"
        return failure(number, "invalid_json", "line", message)


def _candidate(number: int, body: Any) -> Candidate:
    website_id = None
    if isinstance(body, dict) and "id" in body:
        website_id, problem = _uuid(body.pop("id"))
        if problem is not None:
            _raise_with(problem, body)
    return Candidate(number, website_id, new_website(body))


def _uuid(value: object) -> tuple[UUID | None, FieldProblem | None]:
    if isinstance(value, str) and _UUID.fullmatch(value):
        return UUID(value), None
    return None, FieldProblem("id", "must be the id of a website, a UUID, or absent")


def _raise_with(problem: FieldProblem, body: Any) -> None:
    """Raise InvalidInput with this problem and all others of the line."""
    try:
        new_website(body)
    except InvalidInput as error:
        raise InvalidInput([problem, *error.problems]) from None
    raise InvalidInput([problem])


def refused(line: int, error: InvalidInput) -> ProcessedLine:
    """The outcome of a line with these problems."""
    return ProcessedLine(line, LineResult.FAILED, None, error.problems, "invalid_fields")


def failure(line: int, code: str, field: str, message: str) -> ProcessedLine:
    """The outcome of a line with one problem."""
    return ProcessedLine(line, LineResult.FAILED, None, [FieldProblem(field, message)], code)
