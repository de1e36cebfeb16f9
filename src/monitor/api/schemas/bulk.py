"""Schemas of bulk imports."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from msgspec import Struct

from monitor.domain.errors import FieldProblem
from monitor.resources.bulk_import import ImportState, LineResult


class FailedLine(Struct):
    """A line that failed. ``code``: invalid_fields, invalid_json, line_too_long or
    external_id_taken."""

    line: int
    errors: list[FieldProblem]
    code: str | None


class BulkImport(Struct, kw_only=True):
    """The state of an import, with counts of the lines stored so far.

    ``lines`` includes empty lines, which no other count does. ``failures`` lists the first 100.
    ``interrupted``: no process is working on it; sending it again with the same Idempotency-Key
    continues it.
    """

    id: UUID
    state: ImportState
    dry_run: bool
    idempotency_key: str | None
    lines: int
    created: int
    updated: int
    unchanged: int
    failed: int
    created_at: dt.datetime
    finished_at: dt.datetime | None
    failures: list[FailedLine]


class BulkImportPage(Struct):
    """Imports, newest first. ``next_cursor`` is null on the last page."""

    items: list[BulkImport]
    next_cursor: str | None


class LineOutcome(Struct):
    """The outcome of one line. ``id``: the website's; null if the line failed or a dry run would
    have created the website. ``code`` and ``errors`` say why a line failed."""

    line: int
    result: LineResult
    id: UUID | None
    errors: list[FieldProblem]
    code: str | None
