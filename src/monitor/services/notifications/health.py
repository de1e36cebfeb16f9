"""Whether the channels deliver, as the rows of the outbox tell."""

from __future__ import annotations

from monitor.channels import email
from monitor.storage.postgres import channels
from monitor.storage.postgres.channels import Failing
from monitor.storage.postgres.pool import Pool, transaction

CHANNELS = (email.KIND,)
"""The channels looked at: all of channels/registry.py, which the API need not open."""


async def failing_channels(pool: Pool) -> list[Failing]:
    """The channels over which nothing was delivered since deliveries began to fail.

    Failures that are about their recipients do not count.
    """
    async with transaction(pool) as connection:
        return await channels.failing(connection, CHANNELS)
