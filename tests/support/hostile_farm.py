"""A process beside the test: hostile websites, or good neighbours and the DNS server of both.

``farm("hostile")`` and ``farm("neighbours")`` start ``python -m support.hostile_farm ROLE NICE``,
which says on one line of JSON where everything is, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvloop
from msgspec import Struct

from support import hostile_tls, targets_tls
from support.dns import DnsServer
from support.hostile_answers import ANSWERS
from support.hostile_case import Case
from support.hostile_dns import HOSTILE
from support.hostile_places import PLACES
from support.targets import Exchange, TargetServer, answers

CASES: list[Case] = [*ANSWERS, *PLACES]
NEIGHBOUR_MS = 25
"""What a good neighbour takes for its answer, as a website not far away would."""

_TESTS = str(Path(__file__).parents[1])


class Farm(Struct, frozen=True):
    """What a process serves: URLs by the name of their case, and what it takes to reach them."""

    urls: dict[str, str]
    dns: str = ""
    authority_pem: str = ""


def environment() -> dict[str, str]:
    """Ours, with the tests' own modules to be found."""
    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{known}{os.pathsep}{_TESTS}" if known else _TESTS}


@contextlib.contextmanager
def farm(role: str, nice: int = 0) -> Iterator[Farm]:
    """The process for the length of a block. ``nice``: what it leaves to others (nice(2))."""
    process = subprocess.Popen(
        [sys.executable, "-m", "support.hostile_farm", role, str(nice)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdin
    assert process.stdout
    try:
        yield Farm(**json.loads(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait()
        process.stdin.close()
        process.stdout.close()


async def hostile(stack: contextlib.AsyncExitStack) -> Farm:
    """Every case, each on a port of its own."""
    urls = {case.name: await _opened(case, stack) for case in CASES}
    pem = targets_tls.authority().cert_pem.bytes().decode() + hostile_tls.authority_pem()
    return Farm(urls, authority_pem=pem)


async def _opened(case: Case, stack: contextlib.AsyncExitStack) -> str:
    if case.port is not None:
        port = stack.enter_context(case.port())
        return TargetServer(port=port).url
    tls = case.tls() if case.tls else None
    server = TargetServer(case.behaviour, tls, case.listen)
    await stack.enter_async_context(server)
    url = server.url_of("/", case.host or None)
    return url.replace("http", case.scheme, 1) if case.scheme else url


async def neighbours(stack: contextlib.AsyncExitStack) -> Farm:
    """A good website that takes NEIGHBOUR_MS, by address and by name; the DNS server."""

    async def behave(exchange: Exchange) -> None:
        await exchange.request()
        await asyncio.sleep(NEIGHBOUR_MS / 1000)  # what a website takes is time
        await answers()(exchange)

    server = await stack.enter_async_context(TargetServer(behave))
    dns = await stack.enter_async_context(DnsServer(HOSTILE))
    return Farm({"address": server.url, "name": server.url_of(host="good.test")}, dns=dns.address)


async def _serve(role: str) -> None:
    roles: dict[str, Any] = {"hostile": hostile, "neighbours": neighbours}
    async with contextlib.AsyncExitStack() as stack:
        made: Farm = await roles[role](stack)
        print(json.dumps({n: getattr(made, n) for n in made.__struct_fields__}), flush=True)  # noqa: T201
        await asyncio.to_thread(sys.stdin.read)
        os._exit(0)  # whoever started it is gone, and hostile websites do not end when asked


if __name__ == "__main__":
    os.nice(int(sys.argv[2]))
    uvloop.run(_serve(sys.argv[1]))
