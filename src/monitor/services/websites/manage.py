"""Making, changing and removing websites. Each write commits with the row that Redis follows."""

from __future__ import annotations

import os
from uuid import UUID

from msgspec import UNSET

from monitor.domain.errors import InvalidInput, NotFound
from monitor.domain.ids import uuid7
from monitor.resources.audit import Action, of_changed, of_new, of_removed
from monitor.resources.validation import Draft, WebsiteFields, draft, draft_of
from monitor.services.access import audit
from monitor.services.secrets.vault import Vault
from monitor.storage.postgres import regions, websites
from monitor.storage.postgres.pool import Connection, Pool, session, transaction
from monitor.storage.postgres.websites import Stored


async def get(pool: Pool, website_id: UUID) -> Stored:
    """One website. Raises NotFound."""
    async with session(pool) as connection:
        return _there(await websites.fetch(connection, website_id))


async def create(pool: Pool, vault: Vault, fields: WebsiteFields, now_s: float) -> Stored:
    """Store a new website; it is to be checked at once unless it is paused.

    Raises InvalidInput for fields that contradict each other and for regions that are not
    there, Conflict for a taken external_id.
    """
    wanted = draft(fields)
    website_id = uuid7(int(now_s * 1000), os.urandom(10))
    async with transaction(pool) as connection:
        if not await regions.any_exists(connection):
            raise InvalidInput.of("regions", "there is no region yet; make one with POST /regions")
        await websites.insert(connection, website_id, vault.seal(wanted))
        await websites.note_change(connection, website_id, check_now=not wanted.paused)
        await audit.note(connection, Action.WEBSITE_CREATED, website_id, of_new(wanted))
        return _there(await websites.fetch(connection, website_id))


async def change(pool: Pool, vault: Vault, website_id: UUID, fields: WebsiteFields) -> Stored:
    """Change what was sent and leave the rest. Sending what is already so changes nothing.

    Raises NotFound, what ``create`` raises, and SecretsUnreadable where secrets are sent and those
    there are cannot be read; any other field can be changed even then.
    """
    async with transaction(pool) as connection:
        before = _there(await websites.lock(connection, website_id))
        old = draft_of(before.website)
        if fields.request_headers is not UNSET or fields.request_body is not UNSET:
            old = vault.opened(old)
        new = draft(fields, old)
        if new == old:
            return before
        await _apply(connection, website_id, old, new, vault.seal(new))
        await audit.note(connection, Action.WEBSITE_CHANGED, website_id, of_changed(old, new))
        return _there(await websites.fetch(connection, website_id))


async def _apply(
    connection: Connection, website_id: UUID, old: Draft, new: Draft, sealed: Draft
) -> None:
    await websites.update(connection, website_id, sealed)
    if new.regions != old.regions:
        await websites.set_regions(connection, website_id, new.regions)
        if new.regions is not None:
            await websites.forget_verdicts(connection, website_id, new.regions)
    if new.paused and not old.paused:
        await websites.settle_pause(connection, website_id)
    differs = new.check != old.check or new.regions != old.regions or old.paused
    await websites.note_change(
        connection,
        website_id,
        check_now=differs and not new.paused,
        forget=(new.paused and not old.paused) or _loses_region(old, new),
    )


def _loses_region(old: Draft, new: Draft) -> bool:
    """Whether some region may no longer check it; None stands for all regions."""
    if new.regions is None:
        return False
    return old.regions is None or not set(old.regions) <= set(new.regions)


async def delete(pool: Pool, website_id: UUID) -> None:
    """Remove a website with its history. Raises NotFound."""
    async with transaction(pool) as connection:
        before = draft_of(_there(await websites.lock(connection, website_id)).website)
        if not await websites.delete(connection, website_id):
            raise missing()
        await websites.note_change(connection, website_id)
        await audit.note(connection, Action.WEBSITE_DELETED, website_id, of_removed(before))


def _there(found: Stored | None) -> Stored:
    if found is None:
        raise missing()
    return found


def missing() -> NotFound:
    """The error for an id that no website has."""
    return NotFound("website_not_found", "There is no website with this id.")
