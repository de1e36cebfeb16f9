"""From what bulk imports and exports return to what goes over the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import msgspec
from msgspec.structs import asdict

from monitor.api.schemas import bulk as schemas_bulk
from monitor.resources import bulk_import as bulk
from monitor.resources import website_csv
from monitor.resources.bulk_plan import Known
from monitor.resources.formats import written_status_codes
from monitor.resources.secrets import masked

_AT_ONCE = 20
_json = msgspec.json.Encoder()


def bulk_import(found: bulk.BulkImport) -> schemas_bulk.BulkImport:
    """An import as it stands."""
    return schemas_bulk.BulkImport(
        id=found.id,
        state=found.state,
        dry_run=found.dry_run,
        idempotency_key=found.idempotency_key,
        created_at=found.created_at,
        finished_at=found.finished_at,
        failures=[schemas_bulk.FailedLine(o.line, o.errors, o.code) for o in found.failures],
        **asdict(found.counts),
    )


async def outcome_lines(pages: AsyncIterator[list[bulk.Outcome]]) -> AsyncIterator[bytes]:
    """Outcomes as NDJSON."""
    async for page in pages:
        yield _json.encode_lines(
            [schemas_bulk.LineOutcome(o.line, o.result, o.id, o.errors, o.code) for o in page]
        )


async def website_lines(pages: AsyncGenerator[list[Known]]) -> AsyncIterator[bytes]:
    """Websites as NDJSON."""
    async for part in _parts(pages):
        yield _json.encode_lines([schemas_bulk.ExportedWebsite(**_fields(w)) for w in part])


async def website_rows(pages: AsyncGenerator[list[Known]]) -> AsyncIterator[bytes]:
    """Websites as CSV, in UTF-8."""
    yield website_csv.text([website_csv.COLUMNS]).encode()
    async for part in _parts(pages):
        yield website_csv.text(website_csv.row(_fields(w)) for w in part).encode()


async def _parts(pages: AsyncGenerator[list[Known]]) -> AsyncIterator[list[Known]]:
    """A few websites at a time, and others' turn in between: each may have a body of 64 KiB."""
    async with aclosing(pages) as held:
        async for page in held:
            for first in range(0, len(page), _AT_ONCE):
                yield page[first : first + _AT_ONCE]
                await asyncio.sleep(0)


def _fields(known: Known) -> dict[str, Any]:
    draft = known.draft
    return asdict(masked(draft.check)) | {
        "id": known.id,
        "name": draft.name,
        "regions": draft.regions,
        "expected_status_codes": written_status_codes(draft.check.expected_status_codes),
        "paused": draft.paused,
        "alert_emails": draft.alert_emails,
        "external_id": draft.external_id,
    }
