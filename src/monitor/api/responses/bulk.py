"""Responses of bulk imports and exports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import msgspec
from msgspec.structs import asdict

from monitor.api.responses.website import exported
from monitor.api.schemas import bulk as schemas
from monitor.resources import bulk_import as bulk
from monitor.resources import website_csv
from monitor.resources.write_plan import Existing

_WEBSITES_PER_PART = 20
_json = msgspec.json.Encoder()


def bulk_import(stored: bulk.BulkImport) -> schemas.BulkImport:
    """The state of an import."""
    return schemas.BulkImport(
        id=stored.id,
        state=stored.state,
        dry_run=stored.dry_run,
        idempotency_key=stored.idempotency_key,
        created_at=stored.created_at,
        finished_at=stored.finished_at,
        failures=[schemas.FailedLine(o.line, o.errors, o.code) for o in stored.failures],
        **asdict(stored.counts),
    )


async def outcome_lines(pages: AsyncIterator[list[bulk.ProcessedLine]]) -> AsyncIterator[bytes]:
    """Line outcomes as NDJSON."""
    async for page in pages:
        yield _json.encode_lines(
            [schemas.LineOutcome(o.line, o.result, o.id, o.errors, o.code) for o in page]
        )


async def website_lines(pages: AsyncGenerator[list[Existing]]) -> AsyncGenerator[bytes]:
    """Websites as NDJSON."""
    async for part in _parts(pages):
        yield _json.encode_lines([exported(one) for one in part])


async def website_rows(pages: AsyncGenerator[list[Existing]]) -> AsyncGenerator[bytes]:
    """Websites as CSV, in UTF-8."""
    yield website_csv.text([website_csv.COLUMNS]).encode()
    async for part in _parts(pages):
        yield website_csv.text(website_csv.row(exported(one)) for one in part).encode()


async def _parts(pages: AsyncGenerator[list[Existing]]) -> AsyncIterator[list[Existing]]:
    """Split pages and yield to other tasks in between: a website may have a body of 64 KiB."""
    async with aclosing(pages) as open_pages:
        async for page in open_pages:
            for first in range(0, len(page), _WEBSITES_PER_PART):
                yield page[first : first + _WEBSITES_PER_PART]
                await asyncio.sleep(0)
