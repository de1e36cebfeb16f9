"""A small HTTP server that answers as told: what a real one cannot be made to say."""

import asyncio
from collections.abc import Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiohttp import web


class Request(NamedTuple):
    """A request as it came, its body taken out of any compression."""

    path: str
    headers: Mapping
    body: bytes


class Answers:
    """Answers by path: a list of (status, body) used in turn, the last one for ever after."""

    def __init__(self, **by_path):
        self._by_path = {f"/{path}": list(answers) for path, answers in by_path.items()}
        self.requests = []
        self.gone = asyncio.Event()
        self.url = ""

    async def answer(self, request):
        self.requests.append(Request(request.path, request.headers, await request.read()))
        answers = self._by_path[request.path]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer is SILENCE:
            await self.gone.wait()
            return web.Response()
        status, body, *headers = answer
        return web.Response(
            status=status, body=body.encode(), headers=headers[0] if headers else {}
        )

    @property
    def sent(self):
        """The requests but for those for the version of an InfluxDB."""
        return [r for r in self.requests if r.path != "/ping"]


SILENCE = object()
"""No answer at all until the server ends."""


@asynccontextmanager
async def answering(**by_path):
    """The server for the length of a block."""
    answers = Answers(**by_path)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answers.answer)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    answers.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield answers
    finally:
        answers.gone.set()
        await runner.cleanup()


def answering_influx(version="1.8.10", **by_path):
    """The same as an InfluxDB that names its version."""
    return answering(**({"ping": [(204, "", {"X-Influxdb-Version": version})]} | by_path))
