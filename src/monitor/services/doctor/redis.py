"""Redis: whether it lets us in, whether it evicts, and whether it keeps data on disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.domain.errors import Unavailable
from monitor.services.doctor.check import Check, Context, reason
from monitor.services.doctor.finding import Finding, Report
from monitor.storage.redis import connect

_REPORT = Report("redis")

_FULL_FROM = 0.9
"""Of ``maxmemory``: what is left goes quickly when ticks are buffered."""


async def look(context: Context) -> Finding:
    if context.client is None:
        return _REPORT.failed("REDIS_URL is not set", "set it, or look beside a `make up`")
    try:
        info, where = await connect.server_info(context.client)
    except Unavailable as error:
        return _REPORT.failed(reason(error), "start it, or correct REDIS_URL")
    return judge(info, where)


def judge(info: Mapping[str, Any], where: str) -> Finding:
    """The finding for a server that says this of itself (INFO). Pure."""
    policy = info.get("maxmemory_policy", "noeviction")
    if info.get("role") == "slave":
        return _REPORT.failed(f"{where} is a replica", "set REDIS_URL to its primary")
    if policy != "noeviction":
        return _REPORT.failed(
            f"maxmemory-policy is {policy}: it may drop messages and what is to be checked",
            "set it to noeviction (`CONFIG SET maxmemory-policy noeviction`, and in redis.conf)",
        )
    if problem := _of_disk(info):
        return _REPORT.failed(problem, "make room on its disk and see its log")
    limit, used = info.get("maxmemory", 0), info.get("used_memory", 0)
    if limit and used > limit * _FULL_FROM:
        return _REPORT.warning(
            f"{used / limit:.0%} of its maxmemory is used", "raise maxmemory or add memory"
        )
    if not _persists(info):
        return _REPORT.warning(
            "it keeps nothing on disk: a restart loses messages and what regions know",
            "set `appendonly yes`",
        )
    return _REPORT.ok(f"Redis {info.get('redis_version', '?')} at {where}, {policy}")


def _of_disk(info: Mapping[str, Any]) -> str | None:
    for field, what in _WRITES.items():
        if info.get(field, "ok") != "ok":
            return f"it could not write {what}"
    return None


_WRITES = {
    "aof_last_write_status": "its append-only file",
    "aof_last_bgrewrite_status": "its append-only file anew",
    "rdb_last_bgsave_status": "its snapshot",
}


def _persists(info: Mapping[str, Any]) -> bool:
    """By file or by snapshots. Whether snapshots are due only its configuration says, which many
    may not read: one that was made counts."""
    return bool(info.get("aof_enabled", 1) or info.get("rdb_saves", 0))


CHECK = Check(_REPORT, look, if_silent="see whether it hangs or has too much to do; restart it")
