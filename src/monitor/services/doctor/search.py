"""Whether searches find all websites: an upgrade fills in what they look through."""

from __future__ import annotations

from monitor.services.doctor.check import Check, Context
from monitor.services.doctor.finding import Finding, Report, counted
from monitor.storage.postgres import search
from monitor.storage.postgres.migrations import compared
from monitor.storage.postgres.pool import session

_REPORT = Report("search")


async def look(context: Context) -> Finding:
    async with session(context.postgres) as connection:
        if (await compared(connection)).pending:
            return _REPORT.skipped("migrations are not applied")
        return judge(await search.count_missing(connection))


def judge(missing: int) -> Finding:
    """The finding for so many websites without a text to search through. Pure."""
    if not missing:
        return _REPORT.ok("finds all websites, whatever the case of their letters")
    return _REPORT.warning(
        f"does not yet fold the case of letters for {counted(missing, 'website')}",
        "run `monitor migrate` once more, which fills that in",
    )


CHECK = Check(_REPORT, look)
