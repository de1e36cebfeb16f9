"""The DNS servers that checks ask: whether each of them answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from monitor.probes.net.dns_servers import Answer, ask, servers_of
from monitor.services.doctor.check import Check, Context
from monitor.services.doctor.finding import Finding, Report

_REPORT = Report("dns")


async def look(context: Context) -> Finding:
    servers = await servers_of(context.settings.monitor_dns_servers)
    answers = await asyncio.gather(*map(ask, servers))
    configured = bool(context.settings.monitor_dns_servers)
    return judge(dict(zip(servers, answers, strict=True)), configured=configured)


def judge(answers: Mapping[str, Answer], *, configured: bool) -> Finding:
    """The finding for what each server answered. Pure."""
    where = "MONITOR_DNS_SERVERS" if configured else "/etc/resolv.conf"
    if not answers:
        return _REPORT.failed(f"{where} names no server", "set MONITOR_DNS_SERVERS")
    bad = {server: answer for server, answer in answers.items() if answer is not Answer.ANSWERS}
    if not bad:
        return _REPORT.ok(f"{', '.join(answers)} answer{'s' if len(answers) == 1 else ''}")
    what = "; ".join(f"{server} {answer.value}" for server, answer in bad.items())
    advice = f"correct {where}, or see why from here"
    if len(bad) == len(answers):
        return _REPORT.failed(what, advice)
    return _REPORT.warning(what, advice)


CHECK = Check(_REPORT, look)
