"""What goes over the wire of bulk imports and exports."""

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
    """An import as it stands, of the lines stored so far.

    ``lines`` counts empty ones, too, which are in no other count. ``failures``: the first 100.
    ``interrupted``: nobody works on it; sent again with the same Idempotency-Key, it goes on.
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
    """Imports, newest first, and the cursor of the next page; null on the last."""

    items: list[BulkImport]
    next_cursor: str | None


class LineOutcome(Struct):
    """What became of one line. ``id``: the website's; null where the line failed, and where the
    website was made in a dry run. ``code`` and ``errors`` say why it failed."""

    line: int
    result: LineResult
    id: UUID | None
    errors: list[FieldProblem]
    code: str | None
