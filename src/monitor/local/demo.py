"""The demo: a small site that fails and recovers by itself, and its website entry."""

from __future__ import annotations

import asyncio
import contextlib
import urllib.parse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from monitor.local.console import Console
from monitor.local.directory import write_private
from monitor.local.http import LocalApi

EXTERNAL_ID: Final = "demo"
CHECK_FREQUENCY_S: Final = 30

_NAME = "demo"
_HOST = "127.0.0.1"
_REQUEST_TIMEOUT_S = 10.0
_PAGE = "<!doctype html><title>demo</title><p>{}</p>\n"


class Rhythm(Struct, frozen=True):
    """The minimum time that the site fails, and the time it then works.

    It fails until it has been requested twice, however late: a check and its confirmation 15 s
    later. It starts by failing, because a new website is checked at once and then not for up to
    90 s.
    """

    fails_for_s: float = 20
    works_for_s: float = 240


DEFAULT_RHYTHM: Final = Rhythm()
_REQUESTS_UNTIL_CONFIRMED: Final = 2


class DemoSite:
    """A site with one page: 200 while it works, 503 while it fails."""

    def __init__(self, console: Console, rhythm: Rhythm) -> None:
        self._console = console
        self._rhythm = rhythm
        self._works = False
        self._refused = asyncio.Semaphore(0)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one request of one connection."""
        with contextlib.closing(writer), contextlib.suppress(OSError, TimeoutError, ValueError):
            # Nothing is at stake here: ignore a caller that breaks off.
            async with asyncio.timeout(_REQUEST_TIMEOUT_S):
                while (await reader.readline()).strip():
                    pass
                writer.write(self._page())
                if not self._works:
                    self._refused.release()
                await writer.drain()

    def _page(self) -> bytes:
        status, text = ("200 OK", "up") if self._works else ("503 Service Unavailable", "down")
        body = _PAGE.format(text)
        head = f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n"
        return f"{head}Connection: close\r\n\r\n{body}".encode()

    async def run(self) -> None:
        """Fail and recover, and report it, until cancelled."""
        while True:
            self._works, self._refused = False, asyncio.Semaphore(0)
            self._console.say("demo", "the site fails now (503) until that was noticed")
            await asyncio.gather(asyncio.sleep(self._rhythm.fails_for_s), self._confirmed())
            self._works = True
            self._console.say("demo", f"the site works again, for {self._rhythm.works_for_s:g} s")
            await asyncio.sleep(self._rhythm.works_for_s)

    async def _confirmed(self) -> None:
        for _ in range(_REQUESTS_UNTIL_CONFIRMED):
            await self._refused.acquire()


@asynccontextmanager
async def demo_site(
    console: Console, port_file: Path, rhythm: Rhythm = DEFAULT_RHYTHM
) -> AsyncIterator[tuple[DemoSite, str]]:
    """Serve the site during a block, on its last port if that is free.

    Yields the site and its URL.
    """
    site = DemoSite(console, rhythm)
    server = await _serve(site, port_file)
    port = server.sockets[0].getsockname()[1]
    write_private(port_file, str(port))
    async with server:
        yield site, f"http://{_HOST}:{port}/"


async def _serve(site: DemoSite, port_file: Path) -> asyncio.Server:
    if (port := _last_port(port_file)) is not None:
        with contextlib.suppress(OSError):  # in use: take another
            return await asyncio.start_server(site.answer, _HOST, port)
    return await asyncio.start_server(site.answer, _HOST, 0)


def _last_port(port_file: Path) -> int | None:
    if not port_file.exists():
        return None
    text = port_file.read_text(encoding="ascii")
    return int(text) if text.isdecimal() else None


def watch(api: LocalApi, url: str) -> str:
    """Create or resume the demo website; there is only one, however often this is called.

    Returns a sentence about the result.
    """
    fields = {"url": url, "paused": False}
    website = _find(api)
    if website is not None:
        # A website that is resumed is checked at once.
        api.request("PATCH", f"/websites/{website['id']}", {"paused": True})
        answer = api.request("PATCH", f"/websites/{website['id']}", fields)
    else:
        new = {"name": _NAME, "external_id": EXTERNAL_ID, "check_frequency": CHECK_FREQUENCY_S}
        answer = api.request("POST", "/websites", fields | new)
    if answer.status not in {200, 201}:
        return f"the demo site could not be added: {answer.body.get('detail', answer.status)}"
    return f"{url} is watched as the website {_NAME!r}, every {CHECK_FREQUENCY_S} s"


def pause(api: LocalApi) -> str | None:
    """Pause the website of an earlier demo, which is not served now. None: there was none."""
    website = _find(api)
    if website is None or website.get("paused"):
        return None
    api.request("PATCH", f"/websites/{website['id']}", {"paused": True})
    return "the demo website is paused; `make up DEMO=1` resumes it"


def _find(api: LocalApi) -> dict[str, Any] | None:
    """The demo website, found by name: the API has no filter for ``external_id``."""
    cursor: str | None = None
    while True:
        query = {"q": _NAME, "limit": "100"} | ({"cursor": cursor} if cursor else {})
        answer = api.request("GET", f"/websites?{urllib.parse.urlencode(query)}")
        for website in answer.body.get("items", []):
            if website.get("external_id") == EXTERNAL_ID:
                return dict(website)
        cursor = answer.body.get("next_cursor")
        if not cursor:
            return None
