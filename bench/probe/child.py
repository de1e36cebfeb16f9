"""The prober of one checkout at work, as a program: told what to do by lines, it answers in JSON.

    PYTHONPATH=CHECKOUT/src python bench/probe/child.py URLS_FILE AT_ONCE [DNS_SERVER]

It imports nothing of the bench, and finds what it needs of the product by any name it has had.
``fresh`` makes a new prober, ``check N`` checks every website N times; anything else ends it.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import resource
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import uvloop

_PROBER = ("monitor.probes.http.prober", "monitor.probes.http")
_OPTIONS = ("monitor.resources.check_options", "monitor.domain.website")
_POLICY = ("monitor.probes.net.address_policy", "monitor.probes.address_policy")


def _imported(name: str, modules: tuple[str, ...]) -> Any:
    """From the first of these modules that has it."""
    for module in modules:
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            continue
    raise SystemExit(f"This checkout has no {name} in any of {', '.join(modules)}.")


def _new_prober(dns_servers: list[str]) -> Any:
    policy = _imported("AddressPolicy", _POLICY)(allow_all=True)
    return _imported("HttpProber", _PROBER)(policy=policy, dns_servers=dns_servers)


async def _check_all(prober: Any, websites: Iterator[Any], at_once: int) -> Counter[str]:
    """How many checks ended in which way: ``up``, or the reason."""
    outcomes: Counter[str] = Counter()

    async def check_next() -> None:
        for options in websites:
            outcome = await prober.check(options)
            up = outcome.result.name == "UP"
            outcomes["up" if up else f"{outcome.reason}: {outcome.evidence}"] += 1

    await asyncio.gather(*(check_next() for _ in range(at_once)))
    return outcomes


async def _measured(prober: Any, websites: Iterator[Any], at_once: int) -> dict[str, Any]:
    """``cpu_us``: user and system time of this process, all its threads."""
    before_us = _cpu_us()
    outcomes = await _check_all(prober, websites, at_once)
    return {"cpu_us": _cpu_us() - before_us, "outcomes": outcomes}


def _cpu_us() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) * 1e6


async def _obey(urls: list[str], at_once: int, dns_servers: list[str]) -> None:
    options = _imported("CheckOptions", _OPTIONS)
    websites, prober = [options(url=url) for url in urls], _new_prober(dns_servers)
    while words := (await asyncio.to_thread(sys.stdin.readline)).split():
        answer: dict[str, Any] = {}
        if words[0] == "fresh":
            await prober.close()
            prober = _new_prober(dns_servers)
        else:
            times = repeat(websites, int(words[1]))
            answer = await _measured(prober, chain.from_iterable(times), at_once)
        # As a worker does once everything is loaded.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        print(json.dumps(answer), flush=True)
    await prober.close()


def main() -> None:
    urls = Path(sys.argv[1]).read_text(encoding="utf-8").split()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_obey(urls, int(sys.argv[2]), sys.argv[3:]))


if __name__ == "__main__":
    main()
