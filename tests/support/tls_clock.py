"""A process whose clock is stepped, OpenSSL's with it, while it checks the same servers.

``python -m support.tls_clock``, with the settings of a ``FakeClock``: what was found, step by step
of each walk, as JSON on standard output.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from monitor.metrics.worker_stats import HandshakeCounts
from support.dns import DnsServer
from support.factories import check_options
from support.fake_clock import FakeClock
from support.scripted_tls import ScriptedServer
from support.targets_checks import prober
from support.tls_chains import Link
from support.tls_known import facts
from support.tls_situations import Act, leaf, once, trust, whole

HOUR_S, DAY_S = 3600, 86_400
A, B, SHORT, EARLY = "A", "B", "SHORT", "EARLY"
LASTS_S = 1000
"""How long SHORT is valid. EARLY was issued as long ago."""

_CHAINS: Mapping[str, Callable[[], list[Link]]] = {
    A: whole,
    B: whole,
    SHORT: lambda: whole(days=(-1, LASTS_S / DAY_S)),
    EARLY: lambda: [leaf(days=(-LASTS_S / DAY_S, 30)), *whole()[1:]],
}


class Step(Struct, frozen=True):
    """A check so long after the process began: which chain is served, and the reason that is
    right; in how many connections, where that is certain."""

    ahead_s: int
    chain: str
    reason: str | None = None
    connections: int | None = None


WALKS: dict[str, list[Step]] = {
    "a certificate expires": [
        Step(0, SHORT, None, 1),
        Step(LASTS_S // 2, SHORT, None, 1),
        Step(LASTS_S + 1, SHORT, "tls_expired", 1),
        Step(LASTS_S + 1, A, None, 1),
        Step(LASTS_S + 2, SHORT, "tls_expired", 2),
        Step(LASTS_S + 2, SHORT, "tls_expired", 1),
    ],
    "the clock is set back": [
        Step(0, EARLY, None, 1),
        Step(10, EARLY, None, 1),
        Step(-2 * LASTS_S, EARLY, "tls_expired", 1),
        Step(20, EARLY, None, 1),
        Step(-2 * LASTS_S, A, None, 1),
    ],
    "a certificate is replaced and served again": [
        Step(0, A, None, 1),
        Step(HOUR_S, B, None, 2),
        Step(2 * HOUR_S, A, None, 1),
        Step(20 * HOUR_S, B, None, 1),
        Step(28 * HOUR_S, A),
        Step(60 * HOUR_S, B, None, 1),
        Step(61 * HOUR_S, A, None, 2),
    ],
    "all stays as it is": [Step(hour * HOUR_S, A) for hour in range(0, 31, 6)],
}


class Found(Struct, frozen=True):
    """What a step came to: the facts of the prober that verifies each chain, and of the one that
    knows them, its reason and connections."""

    verified: list[object]
    known: list[object]
    reason: str | None
    connections: int


class Walked(Struct, frozen=True):
    """The steps of a walk, and the handshakes of the prober that knows chains by their kind."""

    steps: list[Found]
    handshakes: dict[str, int]


def walked(clock: FakeClock) -> dict[str, Walked]:
    """Start the process and wait for what it says."""
    paths = [clock.settings["PYTHONPATH"], str(Path(__file__).parents[1])]
    known = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([*paths, known] if known else paths)
    done = subprocess.run(
        [sys.executable, "-m", "support.tls_clock"],
        stdout=subprocess.PIPE,
        env={**os.environ, **clock.settings, "PYTHONPATH": path, "FAKETIME_NO_CACHE": "1"},
        timeout=120,
        check=True,
    )
    return msgspec.json.decode(done.stdout, type=dict[str, Walked])


def _step(ahead_s: int) -> None:
    file = Path(os.environ["FAKETIME_TIMESTAMP_FILE"])
    unfinished = file.with_suffix(".own")
    unfinished.write_text(f"{ahead_s:+d}\n", encoding="ascii")
    unfinished.replace(file)


async def _walk(steps: list[Step], acts: Mapping[str, Act]) -> Walked:
    counts, found = HandshakeCounts(), []
    async with (
        DnsServer({}, otherwise=["127.0.0.1"]) as dns,
        prober(trust=trust(), dns_servers=[dns.address], known_chains=0) as verified,
        prober(trust=trust(), dns_servers=[dns.address], handshakes=counts) as known,
        ScriptedServer() as server,
    ):
        options = check_options(server.url("shop.test"))
        for step in steps:
            _step(step.ahead_s)
            server.serve(acts[step.chain].served("1.3"))
            right = await verified.check(options)
            server.serve(acts[step.chain].served("1.3"))
            outcome = await known.check(options)
            found.append(Found([*facts(right)], [*facts(outcome)], outcome.reason, server.accepted))
    _step(0)
    return Walked(found, counts.by_kind)


async def _all() -> dict[str, Walked]:
    acts = {name: Act(chain=once(make)) for name, make in _CHAINS.items()}
    return {name: await _walk(steps, acts) for name, steps in WALKS.items()}


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(_all())))
