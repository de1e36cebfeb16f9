"""Changing or removing every website that matches, in one transaction: all of them or none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from msgspec import UNSET, Struct
from msgspec.structs import asdict

from monitor.domain.errors import InvalidInput
from monitor.domain.website import CheckOptions
from monitor.resources.audit import Action, Change, of_fields
from monitor.resources.bulk_change import NotConfirmed, check_timings, names_follow, new_name
from monitor.resources.secrets import refuse_moving
from monitor.resources.validation import BadQuery, WebsiteFields, keeps_secrets
from monitor.runtime.event_loop import yield_to_loop
from monitor.services.access import audit
from monitor.services.secrets.vault import Vault
from monitor.services.workers import regions
from monitor.storage.postgres import bulk_change, bulk_change_secrets
from monitor.storage.postgres.bulk_change_secrets import Secrets
from monitor.storage.postgres.pool import Connection, Pool, transaction
from monitor.storage.postgres.websites import Filter


class Selection(Struct, frozen=True):
    """The websites meant. ``everything``: said in so many words; ``confirm``: how many the caller
    knows them to be."""

    wanted: Filter
    everything: bool = False
    confirm: int | None = None


class BulkChange(Struct, frozen=True):
    """How many websites matched, and how many of those are not what they were."""

    matched: int
    changed: int


async def change(
    pool: Pool, vault: Vault, selection: Selection, fields: WebsiteFields
) -> BulkChange:
    """Change what was sent of every website that matches and leave the rest.

    Each gets what ``websites.change`` would make of it; those that are so already stay untouched.
    Raises BadQuery, NotConfirmed, and InvalidInput where the change does not suit all of them.
    """
    async with _picked(pool, selection, deleting=False) as (connection, matched):
        check_timings(fields, await bulk_change.timings(connection))
        if isinstance(fields.regions, tuple):
            await bulk_change.check_regions(connection, fields.regions)
        if names_follow(fields):
            await _name(connection, fields)
        await _compare_secrets(connection, vault, fields)
        shown, sealed = vault.seal_fields(fields)
        changed = await bulk_change.mark_changed(connection, shown, sealed)
        if changed:
            await bulk_change.apply(connection, shown, sealed)
            counts = {"matched": matched, "changed": changed}
            await _note(connection, Action.WEBSITES_CHANGED, selection, of_fields(fields), counts)
        return BulkChange(matched, changed)


async def _compare_secrets(connection: Connection, vault: Vault, fields: WebsiteFields) -> None:
    """Note the websites that seal something else, and refuse to move what stays to another server.

    Raises InvalidInput.
    """
    if fields.url is UNSET and fields.request_headers is UNSET and fields.request_body is UNSET:
        return
    async for page in bulk_change_secrets.with_secrets(connection):
        differ: list[UUID] = []
        async for one in yield_to_loop(iter(page)):
            _refuse_moving(fields, one)
            if not vault.holds(one.sealed, fields):
                differ.append(one.id)
        if differ:
            await bulk_change_secrets.note_different(connection, differ)


def _refuse_moving(fields: WebsiteFields, one: Secrets) -> None:
    if fields.url is UNSET:
        return
    check = CheckOptions(
        one.url, request_headers=one.request_headers, request_body=one.request_body
    )
    try:
        refuse_moving(keeps_secrets(fields, check), one.url, fields.url)
    except InvalidInput as error:
        problem = error.problems[0]
        message = f"{problem.message}; so it is with the website {one.id}"
        raise InvalidInput.of(problem.field, message) from None


async def _name(connection: Connection, fields: WebsiteFields) -> None:
    async for page in bulk_change.names(connection):
        given = [(i, new_name(fields, url, name)) for i, url, name in page]
        await bulk_change.give_names(connection, given)


async def delete(pool: Pool, selection: Selection) -> BulkChange:
    """Remove every website that matches, with its history. Raises BadQuery and NotConfirmed."""
    async with _picked(pool, selection, deleting=True) as (connection, matched):
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
    wanted = {n: v for n, v in asdict(selection.wanted).items() if v is not None}
    await audit.note(connection, action, None, changes, filter=wanted, **counts)


@asynccontextmanager
async def _picked(
    pool: Pool, selection: Selection, *, deleting: bool
) -> AsyncIterator[tuple[Connection, int]]:
    """A transaction that holds the websites that match, if they are as many as was confirmed.

    They are counted first without holding any: a caller who only asks stops nobody.
    """
    _check(selection)
    wanted, confirm = selection.wanted, selection.confirm
    async with transaction(pool) as connection:
        await bulk_change.begin(connection)
        if wanted.region is not None:
            await regions.must_exist(connection, wanted.region)
        matched = await bulk_change.count(connection, wanted)
        if matched == confirm:
            matched = await bulk_change.lock(connection, wanted, deleting=deleting)
        if matched != confirm:
            raise NotConfirmed(matched, confirm)
        yield connection, matched


def _check(selection: Selection) -> None:
    wanted = selection.wanted
    if wanted.q is not None and not wanted.q.isprintable():
        raise BadQuery.of("q", "must not contain control characters")
    filtered = wanted != Filter()
    if not filtered and not selection.everything:
        raise BadQuery.of(
            "all", "must be true where there is no filter: then every website is meant"
        )
    if filtered and selection.everything:
        raise BadQuery.of("all", "contradicts the filter: send one of them")
