"""`monitor secrets`: the keys that encrypt request headers and bodies at rest."""

# ruff: noqa: PLC0415 - `monitor --help` must be fast: heavy modules are imported inside

from __future__ import annotations

from argparse import Namespace

from monitor.cli.commands import bar, local_actor, reached_stores, sync_all


def new_key(_: Namespace) -> None:
    """Print a key."""
    from monitor.services.secrets.vault import new_key

    print(new_key())


def rotate(_: Namespace) -> None:
    """Encrypt everything with the first key, and sync it to the workers.

    Refused where a running process does not know that key.
    """
    from monitor.cli import aio as cli_loop
    from monitor.runtime import logging
    from monitor.services.access.audit import acting
    from monitor.services.secrets import known_keys
    from monitor.services.secrets.rotate import rotate
    from monitor.services.secrets.vault import Vault
    from monitor.storage.postgres.pool import make_pool
    from monitor.storage.redis.client import client

    logging.configure("secrets", "warning")
    settings = reached_stores()
    database_url, redis_url = settings.need("DATABASE_URL"), settings.need("REDIS_URL")
    vault = Vault(settings.monitor_encryption_keys)

    async def run() -> int:
        if vault.encrypts:
            async with client(redis_url) as redis:
                known_keys.refuse_unknown_key(vault, await known_keys.running(redis))
        async with make_pool(database_url, max_size=1) as pool:
            with bar("Encrypting") as progress, acting(local_actor()):
                changed = await rotate(pool, vault, progress)
            # Even if nothing changed: the last run may have been interrupted before this.
            await sync_all(pool, redis_url)
        return changed

    print(f"Encrypted the secrets of {cli_loop.run(run())} websites anew.")
