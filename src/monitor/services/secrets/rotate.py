"""Re-encrypting all secrets with the first key, after it was added or replaced."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from monitor.domain.errors import SecretsUnreadable, SettingsError
from monitor.resources.audit import Action
from monitor.resources.website import Draft
from monitor.runtime.event_loop import yield_to_loop
from monitor.services.access import audit
from monitor.services.secrets.vault import Vault
from monitor.storage.postgres import secrets
from monitor.storage.postgres.pool import Connection, Pool, transaction

_PAGE = 500

Progress = Callable[[int, int], None]
"""Called with (done, total) websites."""


async def rotate(pool: Pool, vault: Vault, progress: Progress | None = None) -> int:
    """Encrypt the secrets of all websites with the first key; returns how many needed it.

    Each page is one transaction, and secrets already encrypted with the first key are skipped, so
    an interrupted run can simply be repeated. Checks continue meanwhile. Raises SettingsError if
    there is no key, SecretsUnreadable if a key in use is missing; finished pages stay.
    """
    if not vault.encrypts:
        raise SettingsError(
            "MONITOR_ENCRYPTION_KEYS is not set: set it as the API and the workers of regions have "
            "it. If they have none yet, `monitor secrets --help` has the steps to a first key."
        )
    async with transaction(pool) as connection:
        total = await secrets.count(connection)
    after, done, changed = None, 0, 0
    while True:
        async with transaction(pool) as connection:
            page, count = await _page(connection, vault, after)
        changed += count
        done += len(page)
        if progress is not None:
            progress(done, max(total, done))
        if len(page) < _PAGE:
            return changed
        after = page[-1]


async def _page(connection: Connection, vault: Vault, after: UUID | None) -> tuple[list[UUID], int]:
    page = await secrets.lock_page(connection, after, _PAGE)
    encrypted: list[tuple[UUID, Draft]] = []
    async for one in yield_to_loop(iter(page)):
        try:
            reencrypted = vault.reencrypt(one.draft)
        except SecretsUnreadable as error:
            raise SecretsUnreadable(f"the website {one.id}") from error
        if reencrypted is not None:
            encrypted.append((one.id, reencrypted))
    if encrypted:
        await secrets.store(connection, encrypted)
        await audit.note(connection, Action.SECRETS_ROTATED, None, websites=len(encrypted))
    return [one.id for one in page], len(encrypted)
