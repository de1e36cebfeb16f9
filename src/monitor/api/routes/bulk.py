"""/websites/bulk: many websites in one request, and what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID

from litestar import Response, Router, get, post
from litestar.params import FromPath
from litestar.response import Stream

from monitor.api.auth import READ, WRITE
from monitor.api.dependencies import Deps
from monitor.api.openapi.bulk import NDJSON, OUTCOMES, ImportOperation
from monitor.api.openapi.document import LOCATION, problems
from monitor.api.parameters import Cursor, DryRun, IdempotencyKey, ImportKey, Limit, Only
from monitor.api.requests import AnyRequest
from monitor.api.responses import bulk as responses
from monitor.api.schemas import bulk as schemas
from monitor.domain.errors import MonitorError
from monitor.services.bulk import imports, views

_DRAIN_S = 5.0
"""How long the rest of a refused body is read for: many callers read no answer before they have
sent everything."""


@post(
    "/",
    status_code=200,
    opt=WRITE | {"body": NDJSON},
    operation_class=ImportOperation,
    response_headers=[LOCATION],
    request_max_body_size=None,
    responses=problems(400, 408, 409, 415, 422),
)
async def import_websites(
    request: AnyRequest,
    deps: Deps,
    *,
    dry_run: DryRun = False,
    idempotency_key: IdempotencyKey = None,
) -> Response[schemas.BulkImport]:
    """Make and change many websites: one JSON object a line, any number of lines.

    A line that names an `id` or else an `external_id` that exists changes that website; fields it
    does not send stay. Any other line makes one, with the `id` it names, if it does. Lines take
    effect in their order. A line that fails stops no other; it changes nothing.

    Lines are stored in chunks, each whole or not at all, of 1,000 lines, or as many as reach 4 MiB.
    With an `Idempotency-Key` the same body can be sent again after any interruption: what is stored
    is left out. A finished import is answered again for 7 days. Without the header, lines that name
    neither `id` nor `external_id` are made again.

    Websites of an import are not checked at once but when their slot comes.
    """
    blocks = request.stream()
    try:
        done = await imports.run(deps.importer(), blocks, key=idempotency_key, dry_run=dry_run)
    except MonitorError:
        await _drain(blocks)
        raise
    location = f"/websites/bulk/{done.id}"
    return Response(responses.bulk_import(done), headers={"Location": location})


async def _drain(blocks: AsyncIterator[bytes]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_S):
            async for _ in blocks:
                pass


@get("/", opt=READ, responses=problems(400))
async def list_imports(
    deps: Deps, *, idempotency_key: ImportKey = None, limit: Limit = 100, cursor: Cursor = None
) -> schemas.BulkImportPage:
    """Imports of the last 7 days, newest first."""
    rows, next_cursor = await views.page(deps.reading, idempotency_key, limit, cursor)
    return schemas.BulkImportPage([responses.bulk_import(i) for i in rows], next_cursor)


@get("/{import_id:uuid}", opt=READ, responses=problems(400, 404))
async def read_import(import_id: FromPath[UUID], deps: Deps) -> schemas.BulkImport:
    """One import, as far as it has come: to be asked again while it runs."""
    return responses.bulk_import(await views.get(deps.reading, import_id))


@get(
    "/{import_id:uuid}/results",
    opt=READ,
    responses={200: OUTCOMES} | problems(400, 404),
)
async def import_results(import_id: FromPath[UUID], deps: Deps, only: Only = None) -> Stream:
    """What became of every line stored so far, in order, as NDJSON; empty lines are left out."""
    await views.get(deps.reading, import_id)
    outcomes = views.outcomes(deps.pool, import_id, only)
    return Stream(responses.outcome_lines(outcomes), media_type=NDJSON)


router = Router(
    "/websites/bulk",
    route_handlers=[import_websites, list_imports, read_import, import_results],
    tags=["websites"],
)
