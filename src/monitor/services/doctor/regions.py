"""The regions: whether each has a worker and a network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from msgspec import Struct

from monitor.services.doctor.check import Check, Context
from monitor.services.doctor.finding import Finding, Report, counted
from monitor.services.workers import presence
from monitor.storage.postgres import changes
from monitor.storage.postgres.pool import transaction
from monitor.storage.redis.projection import Projection
from monitor.storage.redis.regions import Regions

_REPORT = Report("regions")


class Seen(Struct, frozen=True):
    """``websites`` and ``workers`` by region; ``offline``: regions that lost their network."""

    names: Collection[str]
    websites: Mapping[str, int]
    workers: Mapping[str, int]
    offline: Collection[str]


async def look(context: Context) -> Finding:
    async with transaction(context.postgres) as connection:
        names = await changes.region_names(connection)
    websites: Counter[str] = Counter()
    for ring, size in (await Projection(context.redis).sizes()).items():
        websites[ring.region] += size
    processes = await presence.running(context.redis)
    workers = Counter(process.region for process in processes if process.region)
    reports = await Regions(context.redis).reports()
    offline = [name for name, report in reports.items() if report.network != "ok"]
    return judge(Seen(names, websites, workers, [n for n in offline if workers[n]]))


def judge(seen: Seen) -> Finding:
    """The finding for these regions. Pure."""
    idle = [name for name in seen.names if not seen.workers.get(name)]
    if unchecked := [name for name in idle if seen.websites.get(name)]:
        return _REPORT.failed(
            f"no worker checks the websites of {', '.join(unchecked)}",
            f"start one (`MONITOR_REGION={unchecked[0]} dramatiq monitor.actors`), or see its log",
        )
    if seen.offline:
        return _REPORT.failed(
            f"without network: {', '.join(seen.offline)}",
            "see why its host reaches none of MONITOR_CONNECTIVITY_TARGETS",
        )
    if not seen.names:
        return _REPORT.warning("there is none, so nothing is checked", "create one (POST /regions)")
    if idle:
        return _REPORT.warning(
            f"without a worker, and without websites: {', '.join(idle)}",
            f"start one (`MONITOR_REGION={idle[0]} dramatiq monitor.actors`), or delete the region",
        )
    if unknown := sorted(set(seen.workers) - set(seen.names)):
        return _REPORT.warning(
            f"workers serve regions that do not exist: {', '.join(unknown)}",
            "correct their MONITOR_REGION, or create the region (POST /regions)",
        )
    return _REPORT.ok(
        ", ".join(
            f"{name}: {counted(seen.websites.get(name, 0), 'website')}, "
            f"{counted(seen.workers[name], 'worker')}"
            for name in seen.names
        )
    )


CHECK = Check(_REPORT, look)
