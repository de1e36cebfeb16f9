"""/audit: the audit log."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

from litestar import Router, get
from litestar.params import QueryParameter
from msgspec.structs import asdict

from monitor.api.auth import ADMIN
from monitor.api.dependencies import Deps
from monitor.api.openapi.document import problems
from monitor.api.parameters import Cursor, Limit
from monitor.api.schemas import audit as schemas_audit
from monitor.domain.errors import BadQuery, FieldProblem
from monitor.resources.audit import Action, AuditFilter, Entry
from monitor.resources.formats import InvalidValue, instant
from monitor.services.access import audit

KeyFilter = Annotated[
    UUID | None, QueryParameter(description="Only changes made with this API key.")
]
UserFilter = Annotated[UUID | None, QueryParameter(description="Only changes made by this person.")]
ActionFilter = Annotated[Action | None, QueryParameter(description="Only this action.")]
ObjectFilter = Annotated[
    str | None,
    QueryParameter(
        min_length=1,
        max_length=64,
        description="Only changes to this website, region, key, user or import, by its id or name.",
    ),
]
_TIME: dict[str, Any] = {"schema_extra": {"format": "date-time"}, "max_length": 40}
Since = Annotated[
    str | None, QueryParameter(description="Only entries at or after this time.", **_TIME)
]
Until = Annotated[str | None, QueryParameter(description="Only entries before this time.", **_TIME)]


@get("/", opt=ADMIN, responses=problems(400))
async def read_audit_log(
    deps: Deps,
    *,
    key: KeyFilter = None,
    user: UserFilter = None,
    action: ActionFilter = None,
    object: ObjectFilter = None,  # noqa: A002 - the parameter's name in the query
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> schemas_audit.AuditPage:
    """List who changed what, newest first. Secrets are masked.

    The log holds exactly the changes made through the API, `monitor keys`, `monitor users` and
    `monitor secrets`: an entry is stored in the same transaction as its change. A bulk change is
    one entry; an import has one entry with counts for every thousand lines. A dry run of an import
    is one entry, too.
    """
    filters = AuditFilter(
        key=key,
        user=user,
        action=action,
        object=object,
        since=_time("since", since),
        until=_time("until", until),
    )
    entries, next_cursor = await audit.page(deps.reading, filters, limit, cursor)
    return schemas_audit.AuditPage([_entry(e) for e in entries], next_cursor)


def _time(parameter: str, text: str | None) -> dt.datetime | None:
    try:
        return None if text is None else instant(text)
    except InvalidValue as refused:
        raise BadQuery([FieldProblem(parameter, str(refused))]) from None


def _entry(entry: Entry) -> schemas_audit.AuditEntry:
    changes = {n: schemas_audit.AuditChange(**asdict(c)) for n, c in entry.changes.items()}
    return schemas_audit.AuditEntry(
        id=entry.id,
        at=entry.at,
        actor=entry.actor.name,
        key_id=entry.actor.key_id,
        user_id=entry.actor.user_id,
        address=entry.actor.address,
        action=entry.action,
        object_id=entry.object_id,
        changes=changes,
        details=entry.details,
    )


router = Router("/audit", route_handlers=[read_audit_log], tags=["keys"])
