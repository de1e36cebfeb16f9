"""Postgres: whether it lets us in, and its version."""

from __future__ import annotations

from monitor.domain.errors import Unavailable
from monitor.services.doctor.check import Check, Context, reason
from monitor.services.doctor.finding import Finding, Report
from monitor.storage.postgres import connect

_REPORT = Report("postgres")
_ADVICE = "start it, or correct DATABASE_URL"


async def look(context: Context) -> Finding:
    if context.settings.database_url is None and context.settings.monitor_region:
        return _REPORT.skipped("DATABASE_URL is not set: the workers of a region need none")
    if context.settings.database_url is None:
        return _REPORT.failed("DATABASE_URL is not set", "set it, or look beside a `make up`")
    try:
        version, where = await connect.server(context.settings.database_url)
    except Unavailable as error:
        return _REPORT.failed(reason(error), _ADVICE)
    return _REPORT.ok(f"PostgreSQL {version} at {where}")


CHECK = Check(_REPORT, look, if_silent="see whether it hangs or has too much to do; restart it")
