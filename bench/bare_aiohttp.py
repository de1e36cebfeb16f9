"""aiohttp alone, as a program: GET these URLs for some seconds and tell the CPU time of each.

    python bench/bare_aiohttp.py URLS_FILE --seconds 8 --at-once 500 [--ca FILE] [--dns SERVER]
    python bench/bare_aiohttp.py URLS_FILE --keep-alive --expect "probe_success 1"

A fresh connection a request, unless ``--keep-alive``; with ``--dns`` a fresh look-up, too. Prints
one object of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import ssl
import time
from itertools import cycle
from pathlib import Path

import aiohttp
import uvloop


class Counted:
    """What came back."""

    good = 0
    bad = 0


async def _ask_on(
    session: aiohttp.ClientSession, urls: cycle[str], until: float, expect: bytes, counted: Counted
) -> None:
    while time.monotonic() < until:
        try:
            async with session.get(next(urls)) as response:
                body = await response.read()
                good = response.status == 200 and expect in body
        except aiohttp.ClientError:
            good = False
        counted.good += good
        counted.bad += not good


async def _run(arguments: argparse.Namespace) -> dict[str, float]:
    urls = cycle(arguments.urls.read_text(encoding="utf-8").split())
    context = ssl.create_default_context(cafile=arguments.ca)
    connector = aiohttp.TCPConnector(
        limit=0,
        force_close=not arguments.keep_alive,
        ssl=context,
        resolver=aiohttp.AsyncResolver(nameservers=[arguments.dns]) if arguments.dns else None,
        use_dns_cache=False,
    )
    counted, expect = Counted(), arguments.expect.encode()
    async with aiohttp.ClientSession(connector=connector) as session:
        cpu_s, began = _cpu_s(), time.monotonic()
        until = began + arguments.seconds
        asking = (_ask_on(session, urls, until, expect, counted) for _ in range(arguments.at_once))
        await asyncio.gather(*asking)
        cpu_s, seconds = _cpu_s() - cpu_s, time.monotonic() - began
    return {"good": counted.good, "bad": counted.bad, "cpu_s": cpu_s, "seconds": seconds}


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("urls", type=Path)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--at-once", type=int, default=500)
    parser.add_argument("--keep-alive", action="store_true")
    parser.add_argument("--expect", default="")
    parser.add_argument("--ca")
    parser.add_argument("--dns")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(_run(parser.parse_args()))))


if __name__ == "__main__":
    main()
