"""The processes: whether one of each kind was heard of, and whether all are of one version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from monitor import __version__
from monitor.services.doctor.check import Check, Context
from monitor.services.doctor.finding import Finding, Report
from monitor.services.workers import presence
from monitor.services.workers.presence import Present

_PROCESSES = Report("processes")
_VERSIONS = Report("versions")

_COMMANDS = {
    presence.API: ("API", "monitor api"),
    presence.CENTRAL: ("central worker", "dramatiq monitor.actors"),
    presence.SCHEDULER: ("scheduler", "periodiq monitor.actors"),
}
"""The roles of which there must be one, in words, and how it is started."""


async def look(context: Context) -> Finding:
    return judge(await presence.running(context.redis))


def judge(processes: Sequence[Present]) -> Finding:
    """The finding for these processes. Pure."""
    roles = {process.role for process in processes}
    missing = [words for role, words in _COMMANDS.items() if role not in roles]
    if missing:
        return _PROCESSES.failed(
            f"not heard of for 45 s: {', '.join(name for name, _ in missing)}",
            f"start {', '.join(f'`{command}`' for _, command in missing)}, or see the log; those "
            "of an older version do not tell of themselves",
        )
    counts = Counter(process.name for process in processes)
    return _PROCESSES.ok(", ".join(f"{n} x {name}" for name, n in sorted(counts.items())))


async def look_at_versions(context: Context) -> Finding:
    return judge_versions(await presence.running(context.redis), __version__)


def judge_versions(processes: Sequence[Present], own: str) -> Finding:
    """The finding for processes whose versions differ from each other or from ours. Pure."""
    versions = {process.version for process in processes}
    if versions <= {own}:
        return _VERSIONS.ok(own)
    counts = Counter((process.version or "older", process.name) for process in processes)
    others = [
        f"{n} x {name} ({version})" for (version, name), n in counts.items() if version != own
    ]
    return _VERSIONS.warning(
        f"other than this one, {own}: {', '.join(others)}",
        "finish the upgrade: all processes are to be of one version",
    )


CHECKS = (Check(_PROCESSES, look), Check(_VERSIONS, look_at_versions))
