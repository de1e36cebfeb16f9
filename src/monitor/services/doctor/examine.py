"""All checks of `monitor doctor`, at once, each within its own time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from monitor.domain.errors import MonitorError
from monitor.runtime.error_place import described
from monitor.services.doctor import (
    clock,
    delivery,
    disk,
    dns,
    groups,
    migrations,
    open_files,
    postgres,
    processes,
    redis,
    regions,
    roll_ups,
    search,
    secrets,
    settings,
    shared_memory,
    tick_store,
)
from monitor.services.doctor.check import Check, Context
from monitor.services.doctor.finding import Finding, State

CHECKS: Final[tuple[Check, ...]] = (
    settings.CHECK,
    postgres.CHECK,
    migrations.CHECK,
    search.CHECK,
    redis.CHECK,
    clock.CHECK,
    tick_store.CHECK,
    *delivery.CHECKS,
    dns.CHECK,
    shared_memory.CHECK,
    open_files.CHECK,
    disk.CHECK,
    *processes.CHECKS,
    regions.CHECK,
    groups.CHECK,
    roll_ups.CHECK,
    *secrets.CHECKS,
)
"""In the order in which they are shown: first what others stand on."""

_ENDS_WITHIN_S = 0.5


async def examine(context: Context, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """What each check found, in their order. None takes longer than its limit, or raises."""
    return list(await asyncio.gather(*(_within_limit(check, context) for check in checks)))


async def _within_limit(check: Check, context: Context) -> Finding:
    """A driver may not end when it is cancelled, as it waits for a server that hangs: then it is
    left behind."""
    looking = asyncio.ensure_future(_looked(check, context))
    done, _ = await asyncio.wait({looking}, timeout=check.limit_s)
    if done:
        return looking.result()
    looking.cancel()
    await asyncio.wait({looking}, timeout=_ENDS_WITHIN_S)
    what = f"no answer within {check.limit_s:g} s"
    if check.if_silent:
        return check.report.failed(what, check.if_silent)
    return check.report.skipped(what)


async def _looked(check: Check, context: Context) -> Finding:
    try:
        return await check.look(context)
    except MonitorError as error:
        return check.report.skipped(f"could not be looked at: {error}")
    except Exception as error:  # noqa: BLE001 - the other checks have something to tell
        return check.report.skipped(
            f"could not be looked at: a fault of monitor itself ({described(error)})"
        )


def is_well(findings: Sequence[Finding]) -> bool:
    """Whether nothing is wrong: warnings and what could not be looked at are not."""
    return all(finding.state is not State.FAILED for finding in findings)
