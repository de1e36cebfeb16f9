"""The clock of this machine against that of Redis, whose time is the installation's."""

from __future__ import annotations

import time

from monitor.services.doctor.check import Check, Context
from monitor.services.doctor.finding import Finding, Report
from monitor.storage.redis.client import server_time

_REPORT = Report("clock")

WARNING_FROM_S = 5.0
"""As workers warn of it."""
FAILED_FROM_S = 3600.0
"""Certificates are judged by the clock of the region's host: those that are new or about to expire
then turn websites down."""


async def look(context: Context) -> Finding:
    await server_time(context.redis)  # connects
    before_s = time.time()
    redis_s = await server_time(context.redis)
    after_s = time.time()
    return judge((before_s + after_s) / 2 - redis_s, within_s=after_s - before_s)


def judge(off_s: float, within_s: float) -> Finding:
    """The finding for a clock that is ahead by so much, measured within so much. Pure."""
    if abs(off_s) < max(WARNING_FROM_S, within_s):
        return _REPORT.ok(f"{abs(off_s):.1f} s off Redis")
    way = "ahead of" if off_s > 0 else "behind"
    what = f"{abs(off_s):,.0f} s {way} Redis"
    advice = "correct the clock of this machine or of Redis' (NTP), whichever is wrong"
    if abs(off_s) < FAILED_FROM_S:
        return _REPORT.warning(what, advice)
    return _REPORT.failed(what, advice)


CHECK = Check(_REPORT, look)
