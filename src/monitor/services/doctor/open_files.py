"""Whether a worker may open as many sockets as it has checks under way."""

from __future__ import annotations

import resource

from monitor.services.doctor.check import Check, Context
from monitor.services.doctor.finding import Finding, Report

_REPORT = Report("open files")

LEAST = 256
"""With fewer, a process cannot hold its libraries, pipes and connections to the stores."""
OTHER_FILES = 200
"""What a worker has open beside the sockets of its checks, with a margin."""


def look(concurrency: int) -> Finding:
    """``concurrency``: the checks that one worker process may have under way."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return judge(hard, concurrency)


def judge(limit: int, concurrency: int) -> Finding:
    """The finding for a hard limit, to which each process raises its own. Pure."""
    needed = concurrency + OTHER_FILES
    if limit == resource.RLIM_INFINITY or limit >= needed:
        text = "unlimited" if limit == resource.RLIM_INFINITY else f"{limit:,}"
        return _REPORT.ok(f"a process may open {text}; {needed:,} are enough")
    raise_it = (
        f"allow {max(needed, 65_536):,} (`ulimit -Hn`; systemd: LimitNOFILE; Docker: "
        "`--ulimit nofile=65536`)"
    )
    if limit < LEAST:
        return _REPORT.failed(
            f"A process may open {limit} files, too few for a worker to start", raise_it
        )
    return _REPORT.warning(
        f"a process may open {limit:,} files, too few for {concurrency:,} checks at once",
        f"{raise_it}, or lower MONITOR_CONCURRENCY to {limit - OTHER_FILES:,}"
        if limit > OTHER_FILES
        else raise_it,
    )


async def _check(context: Context) -> Finding:
    return look(context.settings.monitor_concurrency)


CHECK = Check(_REPORT, _check)
