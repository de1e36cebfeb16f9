"""Creating, changing and removing one website; each write commits with its change row."""

from __future__ import annotations

from uuid import UUID

from monitor.domain.errors import NotFound
from monitor.resources.audit import Action, of_changed, of_new, of_removed
from monitor.resources.bulk_import import Candidate
from monitor.resources.fields import Values
from monitor.resources.website import draft_of
from monitor.resources.write_plan import Plan, raise_failure
from monitor.services.access import audit
from monitor.services.secrets.vault import Vault
from monitor.services.websites import write
from monitor.storage.postgres import websites
from monitor.storage.postgres.pool import Connection, Pool, session, transaction
from monitor.storage.postgres.websites import Stored


async def get(pool: Pool, website_id: UUID) -> Stored:
    """One website. Raises NotFound."""
    async with session(pool) as connection:
        return await _fetch(connection, website_id)


async def create(pool: Pool, vault: Vault, sent: Values, now_s: float) -> Stored:
    """Create a website; it is checked at once unless it is paused.

    Raises InvalidInput for contradictory fields and for regions that do not exist, Conflict for a
    taken external_id.
    """

    async def attempt() -> Stored:
        async with transaction(pool) as connection:
            plan = await _plan(connection, vault, Candidate(1, None, sent), now_s)
            (new,) = plan.new
            await websites.store(connection, plan, check_now=True)
            await audit.note(connection, Action.WEBSITE_CREATED, new.id, of_new(new.draft))
            return await _fetch(connection, new.id)

    return await write.retried(attempt)


async def change(pool: Pool, vault: Vault, website_id: UUID, sent: Values, now_s: float) -> Stored:
    """Change the fields that were sent. Values equal to the stored ones change nothing, except for
    secrets, which are stored anew: whether they were right is told to nobody.

    Raises NotFound, the errors of ``create``, and SecretsUnreadable if secrets are sent and the
    stored ones cannot be decrypted; all other fields can be changed even then.
    """

    async def attempt() -> Stored:
        async with transaction(pool) as connection:
            if not await websites.lock(connection, website_id):
                raise missing()
            plan = await _plan(connection, vault, Candidate(1, website_id, sent), now_s)
            await websites.store(connection, plan, check_now=True)
            for changed in plan.changed:
                changes = of_changed(changed.old, changed.new, changed.resent)
                await audit.note(connection, Action.WEBSITE_CHANGED, website_id, changes)
            return await _fetch(connection, website_id)

    return await write.retried(attempt)


async def _plan(connection: Connection, vault: Vault, candidate: Candidate, now_s: float) -> Plan:
    plan, _ = await write.plan(connection, vault, [candidate], now_s, upsert=False)
    raise_failure(plan.lines[0])
    return plan


async def delete(pool: Pool, website_id: UUID) -> None:
    """Remove a website with its history. Raises NotFound."""
    async with transaction(pool) as connection:
        if not await websites.lock(connection, website_id):
            raise missing()
        before = draft_of((await _fetch(connection, website_id)).website)
        await websites.delete(connection, website_id)
        await websites.note_change(connection, website_id)
        await audit.note(connection, Action.WEBSITE_DELETED, website_id, of_removed(before))


async def _fetch(connection: Connection, website_id: UUID) -> Stored:
    stored = await websites.fetch(connection, website_id)
    if stored is None:
        raise missing()
    return stored


def missing() -> NotFound:
    """The error for an unknown website id."""
    return NotFound("website_not_found", "There is no website with this id.")
