"""Websites that follow a script: up and down when it says so, and they note whoever comes."""

import asyncio
import time
from contextlib import contextmanager
from dataclasses import dataclass, field

from support.targets import answers, targets_in_thread
from support.truth import Script

_FINE, _BROKEN = answers(200), answers(503)


@dataclass
class Sites:
    """``begin_s``: when the script begins; before that all are up.

    ``delay_s``: how long each takes to answer; may be changed at any time.
    ``asked``: (Unix seconds, website) of every request there was.
    """

    script: Script
    begin_s: float = float("inf")
    delay_s: float = 0.0
    asked: list[tuple[float, int]] = field(default_factory=list)
    server: object = None

    def url_of(self, website):
        return self.server.url_of(f"/{website}")

    async def serve(self, exchange):
        received = await exchange.request()
        website, now_s = int(received.target[1:]), time.time()
        self.asked.append((now_s, website))
        down = self.script.down(website, now_s - self.begin_s)
        await asyncio.sleep(self.delay_s)
        await (_BROKEN if down else _FINE)(exchange)


@contextmanager
def scripted_sites(script):
    sites = Sites(script)
    with targets_in_thread(sites.serve) as sites.server:
        yield sites
