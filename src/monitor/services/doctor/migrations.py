"""Whether the database has the tables of this version."""

from __future__ import annotations

from monitor.services.doctor.check import Check, Context
from monitor.services.doctor.finding import Finding, Report
from monitor.storage.postgres.migrations import RESTORE, Comparison, compared
from monitor.storage.postgres.pool import session

_REPORT = Report("migrations")


async def look(context: Context) -> Finding:
    async with session(context.postgres) as connection:
        return judge(await compared(connection))


def judge(comparison: Comparison) -> Finding:
    """The finding for a database that differs so. Pure."""
    if comparison.changed:
        return _REPORT.failed(
            f"changed after they were applied: {_names(comparison.changed)}", RESTORE
        )
    if comparison.pending:
        missing = _names([migration.name for migration in comparison.pending])
        return _REPORT.failed(f"not applied: {missing}", "run `monitor migrate`")
    if comparison.unknown:
        return _REPORT.warning(
            f"of a newer version than this one: {_names(comparison.unknown)}",
            "upgrade monitor here, and all processes",
        )
    return _REPORT.ok("all are applied")


def _names(names: list[str]) -> str:
    return ", ".join(name.removesuffix(".sql") for name in names)


CHECK = Check(_REPORT, look)
