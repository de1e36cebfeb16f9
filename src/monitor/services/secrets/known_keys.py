"""Which encryption keys the running processes know: a key that one of them lacks must not be used.

The API's processes encrypt, region workers decrypt. Each of them reports the fingerprints of its
keys to Redis every ten seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct
from redis.asyncio import Redis

from monitor.domain.errors import SettingsError
from monitor.services.secrets.vault import Vault
from monitor.services.workers import presence

STEPS = (
    "Put it behind the others in MONITOR_ENCRYPTION_KEYS of the API and of the workers of all "
    "regions and restart them; then put it first and restart the API; then run this again. With "
    "`make up`: set it in .env, start `make up` again, then run this again."
)


class Process(Struct, frozen=True):
    """A running process that needs the keys. ``fingerprints``: None where it does not tell."""

    name: str
    encrypts: bool
    fingerprints: Sequence[str] | None


async def running(redis: Redis) -> list[Process]:
    """The processes with keys that were heard of within the last 45 s. Raises Unavailable."""
    return [
        Process(one.name, one.role == presence.API, one.keys)
        for one in await presence.running(redis)
        if one.role in (presence.API, presence.REGION)
    ]


def refuse_unknown_key(vault: Vault, processes: Sequence[Process]) -> None:
    """Raise SettingsError, which says the steps, unless all processes can read what the first key
    of this vault encrypts, and those of the API encrypt with it themselves. Pure."""
    first = vault.fingerprints[0]
    lacking = [p for p in processes if first not in (p.fingerprints or ())]
    if lacking:
        raise SettingsError(
            "The first key of MONITOR_ENCRYPTION_KEYS is not known to all running processes "
            f"({_counted(lacking)}): they could not read what it encrypts, so nothing was changed. "
            f"{STEPS}"
        )
    others = [p for p in processes if p.encrypts and (p.fingerprints or ("",))[0] != first]
    if others:
        raise SettingsError(
            "The API encrypts with another key than the first of MONITOR_ENCRYPTION_KEYS here "
            f"({_counted(others)}), so nothing was changed. {STEPS}"
        )


def _counted(processes: Sequence[Process]) -> str:
    names = Counter(
        p.name if p.fingerprints is not None else f"{p.name} of an older version" for p in processes
    )
    return ", ".join(f"{n} x {name}" for name, n in sorted(names.items()))
