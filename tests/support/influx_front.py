"""What stands before a real InfluxDB and spoils its answers to writes, as told."""

import asyncio
import json
import threading
from contextlib import contextmanager

import aiohttp
from aiohttp import web

from support.ports import free_ports


class Front:
    """Passes requests on to ``target`` (a URL); ``spoil`` may be replaced at any time.

    ``spoil``: None, or one of the functions below; called with the front and the lines of a
    write, it returns an answer, or None for that of the real server.
    ``spoilt``: {function's name: how many writes it has been called with}.
    ``dropped``: the lines that are in no store, as their writes were answered as stored in part.
    """

    def __init__(self):
        self.target = None
        self.spoil = None
        self.spoilt = {}
        self.dropped = []
        self.port = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"

    async def answer(self, request):
        body = await request.read()
        if request.path == "/write" and self.spoil is not None:
            spoil = self.spoil
            self.spoilt[spoil.__name__] = self.spoilt.get(spoil.__name__, 0) + 1
            answer = await spoil(self, body.splitlines())
            if answer is not None:
                return answer
        return await self.passed_on(request.method, request.path_qs, request.headers, body)

    async def passed_on(self, method, path, headers, body):
        kept = {n: v for n, v in headers.items() if n in ("Authorization", "Content-Type")}
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.request(method, f"{self.target}{path}", headers=kept, data=body) as found,
            ):
                names = ("Content-Type", "X-Influxdb-Version")
                kept = {n: found.headers[n] for n in names if n in found.headers}
                return web.Response(status=found.status, body=await found.read(), headers=kept)
        except aiohttp.ClientError:
            return web.Response(status=502, body=b'{"error":"it is away"}')


def _says(status, words):
    return web.Response(status=status, body=json.dumps({"error": words}).encode())


async def busy(_front, _lines):
    return _says(503, "write could not be completed: request queue is full")


async def too_large(_front, lines):
    """Of more than ten lines at a time."""
    return _says(413, "Request Entity Too Large") if len(lines) > 10 else None


async def slow(_front, _lines):
    await asyncio.sleep(3)


async def silent(_front, _lines):
    """Longer than anybody waits."""
    await asyncio.sleep(15)
    return _says(503, "timeout")


async def partial(front, lines):
    """The first line of a write is refused for good, and the others are stored."""
    path, headers = "/write?db=website_ticks&precision=s", {"Content-Type": "text/plain"}
    if lines[1:]:
        stored = await front.passed_on("POST", path, headers, b"\n".join(lines[1:]))
        if stored.status != 204:
            return stored
    front.dropped.append(lines[0].decode())
    return _says(400, "partial write: points beyond retention policy dropped=1")


@contextmanager
def influx_front():
    """The front on a thread of its own; set its ``target`` before it is asked."""
    front, loop = Front(), asyncio.new_event_loop()
    application = web.Application(client_max_size=2**26)
    application.router.add_route("*", "/{path:.*}", front.answer)
    runner = web.AppRunner(application, shutdown_timeout=1, handler_cancellation=True)

    def run(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(20)

    async def start():
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", front.port).start()

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        run(start())
        yield front
    finally:
        run(runner.cleanup())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
