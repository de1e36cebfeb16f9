"""Secrets that are stored in the clear: from before there was a key, or while there is none."""

from __future__ import annotations

import asyncio

from monitor.domain.errors import Unavailable
from monitor.runtime.logging import get_logger
from monitor.services.secrets.vault import Vault
from monitor.storage.postgres import secrets
from monitor.storage.postgres.pool import Pool, transaction

log = get_logger(__name__)

_ASK_AGAIN_AFTER_S = 30.0

ENCRYPT = "run `monitor secrets rotate`, which encrypts them"


async def websites_in_the_clear(pool: Pool) -> int:
    """How many websites have secrets that are not encrypted. Raises Unavailable."""
    async with transaction(pool) as connection:
        return await secrets.count_in_the_clear(connection)


async def warn(pool: Pool, vault: Vault) -> None:
    """Log, once, that secrets are stored in the clear; waits for a Postgres that is unavailable.

    A key encrypts what is sent from then on. What was stored before stays as it is until it is
    encrypted on purpose.
    """
    while True:
        try:
            websites = await websites_in_the_clear(pool)
            break
        except Unavailable:
            await asyncio.sleep(_ASK_AGAIN_AFTER_S)
    if websites and vault.encrypts:
        log.warning("secrets.stored_in_the_clear", websites=websites, help=ENCRYPT)
    elif websites:
        vault.warn_once()
