"""Sealing all secrets with the first key: after a new one came first, or the first one came."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from monitor.domain.errors import SecretsUnreadable, SettingsError
from monitor.resources.audit import Action
from monitor.resources.validation import Draft
from monitor.runtime.event_loop import yield_to_loop
from monitor.services.access import audit
from monitor.services.secrets.vault import Vault
from monitor.storage.postgres import secrets
from monitor.storage.postgres.pool import Connection, Pool, transaction

_PAGE = 500

Progress = Callable[[int, int], None]
"""Told (done, total) websites."""


async def reseal(pool: Pool, vault: Vault, progress: Progress | None = None) -> int:
    """Seal the secrets of all websites with the first key; returns of how many that was needed.

    A page is a transaction, and what is sealed with the first key already is passed over: broken
    off, it goes on when run again. Checks go on meanwhile. Raises SettingsError where there is
    no key, SecretsUnreadable where a key that sealed something is missing; what was done stays.
    """
    if not vault.seals:
        raise SettingsError("MONITOR_ENCRYPTION_KEYS is not set; `monitor secrets key` makes one.")
    async with transaction(pool) as connection:
        total = await secrets.count(connection)
    after, done, changed = None, 0, 0
    while True:
        async with transaction(pool) as connection:
            page, resealed = await _page(connection, vault, after)
        changed += resealed
        done += len(page)
        if progress is not None:
            progress(done, max(total, done))
        if len(page) < _PAGE:
            return changed
        after = page[-1]


async def _page(connection: Connection, vault: Vault, after: UUID | None) -> tuple[list[UUID], int]:
    found = await secrets.lock_page(connection, after, _PAGE)
    sealed: list[tuple[UUID, Draft]] = []
    async for known in yield_to_loop(iter(found)):
        try:
            again = vault.resealed(known.draft)
        except SecretsUnreadable as error:
            raise SecretsUnreadable(f"the website {known.id}") from error
        if again is not None:
            sealed.append((known.id, again))
    if sealed:
        await secrets.store(connection, sealed)
        await audit.note(connection, Action.SECRETS_ROTATED, None, websites=len(sealed))
    return [known.id for known in found], len(sealed)
