"""Two probers side by side: one that verifies each chain, and one that knows those it has seen."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass

from msgspec import structs

from monitor.domain.outcome import Outcome
from monitor.probes.http.prober import HttpProber
from support.dns import DnsServer
from support.factories import check_options
from support.scripted_tls import ScriptedServer
from support.targets_checks import prober
from support.tls_situations import Act, Situation, trust

STALE_S = 26 * 3600.0
"""Nothing is known for so long."""

LIVES = ("cold", "warm", "stale")
_POST = {"http_method": "POST", "request_body": "once"}


@dataclass
class Check:
    """One check of each prober, of a server that did the same for both.

    ``outcomes``, ``connections``, ``requests`` and the names ``asked`` for: of the verified one,
    and of the one that knows chains.
    """

    act: Act
    evidence: str
    outcomes: list[Outcome]
    connections: list[int]
    requests: list[int]
    asked: list[list[str | None]]


def facts(outcome: Outcome) -> tuple[object, ...]:
    """All that a check found but how long it took."""
    phases = [ms > 0 for ms in structs.astuple(outcome.timings)]
    timed = outcome.response_ms is not None
    found = (outcome.result, outcome.reason, outcome.status_code, outcome.evidence)
    return (*found, timed, phases)


@contextlib.asynccontextmanager
async def probers() -> AsyncIterator[tuple[HttpProber, HttpProber]]:
    """One that verifies each chain, and one that knows those it has seen; both resolve any name
    to 127.0.0.1."""
    async with (
        DnsServer({}, otherwise=["127.0.0.1"]) as dns,
        prober(trust=trust(), dns_servers=[dns.address], known_chains=0) as verified,
        prober(trust=trust(), dns_servers=[dns.address]) as known,
    ):
        yield verified, known


class LateClock:
    """In place of the module ``time``: what is known of chains is so much older."""

    ahead_s = 0.0

    def time(self) -> float:
        return time.time() + self.ahead_s


async def compared(situation: Situation, version: str, life: str, clock: LateClock) -> list[Check]:
    """Every check of a situation, and of what was and comes before and after it."""
    checks = []
    async with probers() as pair, ScriptedServer() as server:
        for act in _acts(situation, life):
            checks.append(await _checked(server, pair, situation, version, act))
            clock.ahead_s += STALE_S if life == "stale" else 0
        assert server.resumed == 0
        assert server.errors == []
    return checks


def _acts(situation: Situation, life: str) -> Iterable[Act]:
    if life == "cold":
        return [*situation.acts, *situation.acts]
    known = situation.known()
    return [known, *situation.acts, *situation.acts, known, known, *situation.acts]


async def _checked(
    server: ScriptedServer,
    pair: Sequence[HttpProber],
    situation: Situation,
    version: str,
    act: Act,
) -> Check:
    script = act.served(version)
    peer = f"{server.host} port {server.port}"
    check = Check(act, act.evidence.format(host=situation.host, peer=peer), [], [], [], [])
    options = check_options(server.url(situation.host), **_POST, **situation.options)
    for made in pair:
        server.serve(script)
        server.asked.clear()
        check.outcomes.append(await made.check(options))
        check.connections.append(server.accepted)
        check.requests.append(server.requests)
        check.asked.append(list(server.asked))
    return check
