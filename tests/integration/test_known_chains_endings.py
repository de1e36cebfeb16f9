"""However and wherever a server of a known chain ends a connection, the finding is the same."""

from __future__ import annotations

import asyncio

from monitor.domain.outcome import Result
from support.factories import check_options
from support.scripted_tls import ScriptedServer
from support.targets_checks import prober
from support.targets_loops import on_both_loops
from support.tls_endings import ends
from support.tls_situations import Act, trust, whole

WAIT_S = 4
"""For a server that falls silent, so that on a busy machine handshakes are over by then; for all
others there is more than enough."""
AT_ONCE = 16


async def outcomes_of(end, good, made):
    """Of two checks that end like this, after and before one that does not."""
    reason, _ = end.finding()
    wait_s = WAIT_S if reason and reason.endswith("_timeout") else 20
    async with ScriptedServer() as server:
        options = check_options(server.url(), request_timeout=wait_s, http_method="POST")
        outcomes = []
        for script in (good, end.script(good.context), end.script(good.context), good):
            server.serve(script)
            outcomes.append(await made.check(options))
            assert server.requests <= 1
        assert (server.resumed, server.errors) == (0, [])
    peer = f"{server.host} port {server.port}"
    return outcomes, peer


async def all_outcomes(cases):
    goods = {v: Act(chain=lambda: whole("127.0.0.1")).served(v) for v in ("1.2", "1.3")}
    busy = asyncio.Semaphore(AT_ONCE)

    async def one(end):
        reason, _ = end.finding()
        if reason and reason.endswith("_timeout"):
            return await outcomes_of(end, goods[end.version], made)
        async with busy:
            return await outcomes_of(end, goods[end.version], made)

    async with prober(trust=trust()) as made:
        return await asyncio.gather(*map(one, cases))


@on_both_loops
async def test_what_is_found_when_a_server_ends_a_connection():
    cases = list(ends())
    for end, (outcomes, peer) in zip(cases, await all_outcomes(cases), strict=True):
        first, *ended, last = outcomes
        assert first.result is last.result is Result.UP, (str(end), first, last)
        reason, evidence = end.finding()
        for outcome in ended:
            assert outcome.reason is reason, (str(end), outcome)
            assert evidence.format(peer=peer) in outcome.evidence, (str(end), outcome)
    assert len(cases) > 200
