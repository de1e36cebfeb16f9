"""The groups that workers of regions offer in a TLS handshake, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.probes.net.groups import CONFIGURATION, OFFERED, X25519MLKEM768
from monitor.services.doctor.check import Check, Context
from monitor.services.doctor.finding import Finding, Report, counted
from monitor.services.workers import presence
from monitor.services.workers.presence import Present

_REPORT = Report("tls groups")
_TO_DO = (
    "start them with OPENSSL_CONF set to monitor's openssl.cnf, "
    f"{CONFIGURATION} here (`monitor openssl-conf`)"
)


async def look(context: Context) -> Finding:
    return judge(await presence.running(context.redis))


def judge(processes: Sequence[Present]) -> Finding:
    """The finding for what these processes offer. Pure."""
    workers = [tuple(process.groups) for process in processes if process.groups is not None]
    if not workers:
        return _REPORT.skipped("no worker of a region tells what it offers")
    dear = sum(X25519MLKEM768 in groups for groups in workers)
    if dear:
        return _REPORT.warning(
            f"{dear} of {counted(len(workers), 'worker')} of regions make a post-quantum key for "
            "each HTTPS check: about 0.15 ms of CPU, and 0.2 ms where the server uses it",
            _TO_DO,
        )
    others = sum(groups != OFFERED for groups in workers)
    if others:
        return _REPORT.ok(
            f"{others} of {counted(len(workers), 'worker')} of regions offer those of their "
            "OpenSSL: this costs no time, but they may accept servers that others refuse"
        )
    return _REPORT.ok("all workers of regions offer X25519, P-256 and P-384")


CHECK = Check(_REPORT, look)
