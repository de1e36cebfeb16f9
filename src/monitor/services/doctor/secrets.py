"""The encryption keys: whether processes agree on them, and read what is stored."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from monitor.domain.errors import SecretsUnreadable
from monitor.resources.write_plan import Existing
from monitor.services.doctor.check import Check, Context
from monitor.services.doctor.finding import Finding, Report, counted
from monitor.services.secrets import at_rest
from monitor.services.secrets.known_keys import Process, running
from monitor.services.secrets.vault import ENCRYPT_WITHOUT_KEY, Vault
from monitor.storage.postgres import secrets
from monitor.storage.postgres.pool import transaction

_KEYS = Report("keys")
_STORED = Report("secrets")
_SAMPLE = 500
"""Websites whose secrets are decrypted: 10 ms."""

_SAME = (
    "give the API and the workers of all regions the same MONITOR_ENCRYPTION_KEYS, and restart them"
)


async def look(context: Context) -> Finding:
    vault = Vault(context.settings.monitor_encryption_keys)
    return judge(await running(context.redis), vault.fingerprints)


def judge(processes: Sequence[Process], own: Sequence[str]) -> Finding:
    """The finding for processes with such keys. ``own``: of the settings here, if any. Pure."""
    telling = [(p, p.fingerprints) for p in processes if p.fingerprints is not None]
    first = {keys[0] for p, keys in telling if p.encrypts and keys}
    if len(first) > 1 or any(p.encrypts and not keys for p, keys in telling if first):
        return _KEYS.failed("processes of the API encrypt with different keys", _SAME)
    lacking = sorted({p.name for p, keys in telling if not first <= set(keys)})
    if lacking:
        return _KEYS.failed(
            f"without the key that the API encrypts with: {', '.join(lacking)}; checks of websites "
            "with secrets are not made there",
            _SAME,
        )
    if own and first and not first <= set(own):
        return _KEYS.warning(
            "the settings here lack the key that the API encrypts with",
            "give this command the MONITOR_ENCRYPTION_KEYS of the API",
        )
    if not telling:
        return _KEYS.skipped("no process told of its keys")
    if not first:
        return _KEYS.ok("there are none: secrets are stored in the clear")
    return _KEYS.ok("all processes have the key that the API encrypts with")


class Stored(Struct, frozen=True):
    """Websites with secrets: all, those in the clear, and of ``tried`` those unreadable here."""

    total: int
    in_the_clear: int
    tried: int
    unreadable: int


async def look_at_stored(context: Context) -> Finding:
    in_the_clear = await at_rest.websites_in_the_clear(context.postgres)
    async with transaction(context.postgres) as connection:
        total = await secrets.count(connection)
        sample = await secrets.sample(connection, _SAMPLE)
    vault = Vault(context.settings.monitor_encryption_keys)
    unreadable = sum(not _is_readable(vault, one) for one in sample)
    return judge_stored(Stored(total, in_the_clear, len(sample), unreadable), vault.encrypts)


def _is_readable(vault: Vault, stored: Existing) -> bool:
    try:
        vault.decrypted(stored.draft)
    except SecretsUnreadable:
        return False
    return True


def judge_stored(stored: Stored, has_key: bool) -> Finding:
    """The finding for what is stored, with or without a key here. Pure."""
    if stored.unreadable and not has_key:
        return _STORED.skipped("MONITOR_ENCRYPTION_KEYS is not set here: nothing can be decrypted")
    if stored.unreadable:
        return _STORED.failed(
            f"these keys do not decrypt those of {counted(stored.unreadable, 'website')} "
            f"({stored.tried:,} tried)",
            "append the key that encrypted them to MONITOR_ENCRYPTION_KEYS everywhere; if it is "
            "lost, give these websites their headers and bodies again",
        )
    if stored.in_the_clear:
        advice = at_rest.ENCRYPT if has_key else ENCRYPT_WITHOUT_KEY
        return _STORED.warning(
            f"those of {counted(stored.in_the_clear, 'website')} are stored in the clear", advice
        )
    if not stored.total:
        return _STORED.ok("no website has any")
    return _STORED.ok(f"these keys decrypt those of {counted(stored.total, 'website')}")


CHECKS = (Check(_KEYS, look), Check(_STORED, look_at_stored))
