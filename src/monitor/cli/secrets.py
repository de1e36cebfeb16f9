"""`monitor secrets`: the keys that encrypt request headers and bodies at rest."""

# ruff: noqa: PLC0415 - `monitor --help` must be fast: heavy modules are imported inside

from __future__ import annotations

from argparse import Namespace

from monitor.cli.commands import bar, given_or_stacks, sync_all, whoever_is_here


def new_key(_: Namespace) -> None:
    """Print a key."""
    from monitor.services.secrets.vault import new_key

    print(new_key())


def rotate(_: Namespace) -> None:
    """Encrypt everything with the first key, and have the workers see it."""
    from monitor.cli import aio as cli_loop
    from monitor.runtime import logging as logs
    from monitor.services.access.audit import acting
    from monitor.services.secrets.rotate import rotate
    from monitor.services.secrets.vault import Vault
    from monitor.storage.postgres.pool import make_pool

    logs.configure("secrets", "warning")
    found = given_or_stacks("DATABASE_URL", "REDIS_URL")
    database_url, redis_url = found.need("DATABASE_URL"), found.need("REDIS_URL")
    vault = Vault(found.monitor_encryption_keys)

    async def run() -> int:
        async with make_pool(database_url, max_size=1) as pool:
            with bar("Encrypting") as progress, acting(whoever_is_here()):
                changed = await rotate(pool, vault, progress)
            # Also where nothing changed: whoever broke off the last time had got no further.
            await sync_all(pool, redis_url)
        return changed

    print(f"Encrypted the secrets of {cli_loop.run(run())} websites anew.")
