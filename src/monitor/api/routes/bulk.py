"""/websites/bulk: imports of many websites in one request, and their outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID

from litestar import Response, Router, get, post
from litestar.params import FromPath
from litestar.response import Stream

from monitor.api.auth import READ, WRITE
from monitor.api.deadline import BY_BLOCK
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
"""How long the rest of a refused body is read: many clients read the response only after they have
sent the whole body."""


@post(
    "/",
    status_code=200,
    opt=WRITE | BY_BLOCK | {"body": NDJSON},
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
    """Create and change many websites: one JSON object per line, any number of lines.

    A line with an existing `id`, or else an existing `external_id`, changes that website and leaves
    fields that are not sent unchanged. Any other line creates a website, with the given `id` if
    there is one. Lines take effect in order. A line that fails changes nothing and does not stop
    the others.

    Lines are stored atomically in chunks of 1,000 lines or about 4 MiB, whichever comes first. With
    an `Idempotency-Key` the same body can be sent again after any interruption: lines that are
    already stored are skipped, and a finished import returns its result again for 7 days. Without
    the header, lines with neither `id` nor `external_id` are created again.

    Imported websites are first checked at their next slot, not at once. A line that sends the value
    of a secret is `updated` even if it is the stored one. A dry run changes nothing, and is an
    entry of the audit log.
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
    """List the imports of the last 7 days, newest first."""
    rows, next_cursor = await views.page(deps.reading, idempotency_key, limit, cursor)
    return schemas.BulkImportPage([responses.bulk_import(i) for i in rows], next_cursor)


@get("/{import_id:uuid}", opt=READ, responses=problems(400, 404))
async def read_import(import_id: FromPath[UUID], deps: Deps) -> schemas.BulkImport:
    """Get one import and its progress; ask again while it runs."""
    return responses.bulk_import(await views.get(deps.reading, import_id))


@get(
    "/{import_id:uuid}/results",
    opt=READ | BY_BLOCK,
    responses={200: OUTCOMES} | problems(400, 404),
)
async def import_results(import_id: FromPath[UUID], deps: Deps, only: Only = None) -> Stream:
    """List the outcome of every line stored so far as NDJSON, in order, without empty lines."""
    await views.get(deps.reading, import_id)
    outcomes = views.outcomes(deps.pool, import_id, only)
    return Stream(responses.outcome_lines(outcomes), media_type=NDJSON)


router = Router(
    "/websites/bulk",
    route_handlers=[import_websites, list_imports, read_import, import_results],
    tags=["websites"],
)
