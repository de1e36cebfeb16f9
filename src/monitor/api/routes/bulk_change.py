"""/websites: changing or removing all matching websites in one request."""

from __future__ import annotations

from typing import Annotated

from litestar import delete, patch
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import JSONBody, QueryParameter
from msgspec.structs import asdict, replace

from monitor.api.auth import WRITE
from monitor.api.bodies import WebsitesChangeBody
from monitor.api.deadline import ONE_LONG_TRANSACTION
from monitor.api.dependencies import Deps
from monitor.api.openapi.document import problems
from monitor.api.parameters import PausedFilter, RegionFilter, TextFilter
from monitor.api.problems import MEDIA_TYPE, Problem, problem_of
from monitor.api.schemas import bulk_change as schemas
from monitor.resources.bulk_change import NotConfirmed
from monitor.resources.fields import Values
from monitor.services.bulk import change as bulk_change
from monitor.services.bulk.change import Selection
from monitor.storage.postgres.websites import Filter

Everything = Annotated[
    bool,
    QueryParameter(description="Apply to every website. Required if there is no filter."),
]
Confirm = Annotated[
    int | None,
    QueryParameter(
        ge=0,
        le=2**31,
        description="How many websites you expect to match. Without it nothing is changed, and the "
        "response says how many match.",
    ),
]


def _unconfirmed() -> ResponseSpec:
    conflict = NotConfirmed(1200, None)
    example = replace(problem_of(409, conflict.code, str(conflict)), matched=conflict.matched)
    return ResponseSpec(
        Problem,
        generate_examples=False,
        description="Conflict: `matched` websites match, which is not the number in `confirm`.",
        media_type=MEDIA_TYPE,
        examples=[Example(summary=conflict.code, value=example)],
    )


_CONFLICT = {409: _unconfirmed()}


@patch(
    "/",
    opt=WRITE | ONE_LONG_TRANSACTION,
    dto=WebsitesChangeBody,
    responses=problems(400, 413, 415, 422) | _CONFLICT,
)
async def change_websites(
    data: JSONBody[Values],
    deps: Deps,
    *,
    region: RegionFilter = None,
    paused: PausedFilter = None,
    q: TextFilter = None,
    all: Everything = False,  # noqa: A002 - the parameter's name in the query
    confirm: Confirm = None,
) -> schemas.Changed:
    """Change the given fields of every matching website: all of them, or none.

    Each website is changed as by PATCH /websites/{website_id}. Send the request without `confirm`
    first: nothing is changed, and the response, a 409, says how many websites match.
    """
    selection = Selection(Filter(region, paused, None, q), all, confirm)
    done = await bulk_change.change(deps.pool, deps.vault, selection, data)
    await deps.announce_changes()
    return schemas.Changed(**asdict(done))


@delete("/", status_code=200, opt=WRITE | ONE_LONG_TRANSACTION, responses=problems(400) | _CONFLICT)
async def delete_websites(
    deps: Deps,
    *,
    region: RegionFilter = None,
    paused: PausedFilter = None,
    q: TextFilter = None,
    all: Everything = False,  # noqa: A002 - the parameter's name in the query
    confirm: Confirm = None,
) -> schemas.Changed:
    """Remove every matching website and its downtime history: all of them, or none.

    Send the request without `confirm` first: nothing is removed, and the response, a 409, says how
    many websites match.
    """
    selection = Selection(Filter(region, paused, None, q), all, confirm)
    done = await bulk_change.delete(deps.pool, selection)
    await deps.announce_changes()
    return schemas.Changed(**asdict(done))


handlers = (change_websites, delete_websites)
"""Handlers for the router of /websites: Litestar allows one router per path."""
