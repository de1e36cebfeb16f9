"""Changes or removes all matching websites in one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct
from msgspec.structs import asdict, replace

from monitor.domain.errors import BadQuery, InvalidInput
from monitor.resources.audit import Action, Change, of_fields
from monitor.resources.bulk_change import NotConfirmed, check_timings, new_name, renames
from monitor.resources.check_options import OPTION_FIELDS
from monitor.resources.fields import Values
from monitor.resources.website import refuse_moving, resent_secrets
from monitor.resources.write_plan import refuse_missing_regions
from monitor.runtime.event_loop import yield_to_loop
from monitor.services.access import audit
from monitor.services.secrets.vault import Vault
from monitor.services.workers import regions
from monitor.storage.postgres import bulk_change
from monitor.storage.postgres import regions as stored_regions
from monitor.storage.postgres.pool import Connection, Pool, transaction
from monitor.storage.postgres.websites import Filter


class Selection(Struct, frozen=True):
    """Selected websites. ``everything``: explicitly all of them. ``confirm``: how many the caller
    expects to match."""

    filters: Filter
    everything: bool = False
    confirm: int | None = None


class BulkChange(Struct, frozen=True):
    """How many websites matched, and how many of those were changed or removed."""

    matched: int
    changed: int


async def change(pool: Pool, vault: Vault, selection: Selection, sent: Values) -> BulkChange:
    """Change the fields that were sent in every matching website.

    Each is changed as by ``manage.change``; websites that already have the values are not written,
    except where secrets are sent: whether those were right is told to nobody.
    Raises BadQuery, NotConfirmed, and InvalidInput if the change is invalid for any of them.
    """
    async with _locked_selection(pool, selection, deleting=False) as (connection, matched):
        check_timings(sent, await bulk_change.timings(connection))
        names = sent.get("regions") or ()
        refuse_missing_regions(names, await stored_regions.existing(connection, names))
        if renames(sent):
            await _set_names(connection, sent)
        await _refuse_moving(connection, sent)
        shown, encrypted = vault.encrypt_values(sent)
        changed = await bulk_change.mark_changed(
            connection, shown, encrypted, secrets_resent=bool(resent_secrets(sent))
        )
        if changed:
            await bulk_change.apply(connection, shown, encrypted)
            counts = {"matched": matched, "changed": changed}
            await _note(connection, Action.WEBSITES_CHANGED, selection, of_fields(sent), counts)
        return BulkChange(matched, changed)


async def _refuse_moving(connection: Connection, sent: Values) -> None:
    """Raise InvalidInput if stored secrets of a website would be sent to another server."""
    moving = {n: v for n, v in sent.items() if n in OPTION_FIELDS}
    if not moving.keys() & {"url", "request_headers"}:
        return
    async for page in bulk_change.with_secrets(connection):
        async for one in yield_to_loop(iter(page)):
            try:
                refuse_moving(sent, one.check, replace(one.check, **moving))
            except InvalidInput as error:
                problem = error.problems[0]
                message = f"{problem.message}; this is the case for the website {one.id}"
                raise InvalidInput.of(problem.field, message) from None


async def _set_names(connection: Connection, sent: Values) -> None:
    async for page in bulk_change.names(connection):
        new = [(i, sent.get("url", url), new_name(sent, url, name)) for i, url, name in page]
        await bulk_change.set_names(connection, new)


async def delete(pool: Pool, selection: Selection) -> BulkChange:
    """Remove all matching websites and their history. Raises BadQuery and NotConfirmed."""
    async with _locked_selection(pool, selection, deleting=True) as (connection, matched):
        if matched:
            await bulk_change.delete(connection)
            counts = {"matched": matched, "changed": matched}
            await _note(connection, Action.WEBSITES_DELETED, selection, {}, counts)
        return BulkChange(matched, matched)


async def _note(
    connection: Connection,
    action: Action,
    selection: Selection,
    changes: dict[str, Change],
    counts: dict[str, int],
) -> None:
    filters = {n: v for n, v in asdict(selection.filters).items() if v is not None}
    await audit.note(connection, action, None, changes, filter=filters, **counts)


@asynccontextmanager
async def _locked_selection(
    pool: Pool, selection: Selection, *, deleting: bool
) -> AsyncIterator[tuple[Connection, int]]:
    """A transaction that locks the matching websites, if as many match as was confirmed.

    They are first counted without locks, so that a request without ``confirm`` blocks nobody.
    """
    _check(selection)
    filters, confirm = selection.filters, selection.confirm
    async with transaction(pool) as connection:
        await bulk_change.begin(connection)
        if filters.region is not None:
            await regions.must_exist(connection, filters.region)
        matched = await bulk_change.count(connection, filters)
        if matched == confirm:
            matched = await bulk_change.lock(connection, filters, deleting=deleting)
        if matched != confirm:
            raise NotConfirmed(matched, confirm)
        yield connection, matched


def _check(selection: Selection) -> None:
    filters = selection.filters
    if filters.q is not None and not filters.q.isprintable():
        raise BadQuery.of("q", "must not contain control characters")
    filtered = filters != Filter()
    if not filtered and not selection.everything:
        raise BadQuery.of(
            "all", "must be true if there is no filter: then every website is selected"
        )
    if filtered and selection.everything:
        raise BadQuery.of("all", "contradicts the filter: send only one of them")
