"""/websites: every website that matches changed or removed in one request."""

from __future__ import annotations

from typing import Annotated

from litestar import delete, patch
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import JSONBody, QueryParameter
from msgspec.structs import asdict, replace

from monitor.api.auth import WRITE
from monitor.api.bodies import WebsitesChangeBody
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
    QueryParameter(description="Every website is meant. Needed where there is no filter."),
]
Confirm = Annotated[
    int | None,
    QueryParameter(
        ge=0,
        le=2**31,
        description="How many websites you know to match. Without it nothing is changed, and the "
        "answer says how many match.",
    ),
]


def _unconfirmed() -> ResponseSpec:
    asked = NotConfirmed(1200, None)
    example = replace(problem_of(409, asked.code, str(asked)), matched=asked.matched)
    return ResponseSpec(
        Problem,
        generate_examples=False,
        description="Conflict: `matched` websites match, and that is not what `confirm` says.",
        media_type=MEDIA_TYPE,
        examples=[Example(summary=asked.code, value=example)],
    )


_CONFLICT = {409: _unconfirmed()}


@patch(
    "/",
    opt=WRITE,
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
    """Change what is sent of every website that matches, of all of them or of none.

    Each is changed as PATCH /websites/{website_id} would change it. Send it without `confirm`
    first: nothing is changed then, and the answer, a 409, says how many websites match.
    """
    selection = Selection(Filter(region, paused, None, q), all, confirm)
    done = await bulk_change.change(deps.pool, deps.vault, selection, data)
    await deps.announce_changes()
    return schemas.Changed(**asdict(done))


@delete("/", status_code=200, opt=WRITE, responses=problems(400) | _CONFLICT)
async def delete_websites(
    deps: Deps,
    *,
    region: RegionFilter = None,
    paused: PausedFilter = None,
    q: TextFilter = None,
    all: Everything = False,  # noqa: A002 - the parameter's name in the query
    confirm: Confirm = None,
) -> schemas.Changed:
    """Remove every website that matches with its downtime history, all of them or none.

    Send it without `confirm` first: nothing is removed then, and the answer, a 409, says how many
    websites match.
    """
    selection = Selection(Filter(region, paused, None, q), all, confirm)
    done = await bulk_change.delete(deps.pool, selection)
    await deps.announce_changes()
    return schemas.Changed(**asdict(done))


handlers = (change_websites, delete_websites)
"""For the router of /websites: the framework takes one router a path."""
