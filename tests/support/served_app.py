"""The API on a port, in this process, with limits that a test can wait for; and raw callers."""

import asyncio
import socket
from contextlib import asynccontextmanager, suppress

import uvicorn

from monitor.api.app import create_app
from monitor.api.connections import ConnectionLimits
from monitor.api.server import config
from support.api import open_api

PATIENCE_S = 30
"""How long a test waits for what must happen; nothing is judged by how long it took."""

SHORT = ConnectionLimits(head_s=0.4, rest_s=0.4, response_s=0.6, keep_alive_s=1.0, connections=40)


class ServedApp:
    """Where it listens, its connections, and the ``api`` it was made from."""

    def __init__(self, api, app, port):
        self.api, self.port = api, port
        self.connections = app.state.connections
        self._callers = []

    async def connect(self, first=b"", **options):
        """A caller that has sent this."""
        caller = socket.socket()
        for option, value in options.items():
            caller.setsockopt(socket.SOL_SOCKET, getattr(socket, option), value)
        caller.setblocking(False)
        await asyncio.get_running_loop().sock_connect(caller, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=caller, limit=4096)
        self._callers.append(writer)
        writer.write(first)
        return reader, writer

    async def ask(self, request=b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"):
        """The whole answer to a request that asks for the connection's end."""
        reader, writer = await self.connect(request)
        answer = await heard(reader)
        writer.close()
        return answer

    async def hang_up(self):
        """End all callers."""
        for writer in self._callers:
            writer.transport.abort()
        for writer in self._callers:
            with suppress(OSError):
                await writer.wait_closed()

    async def until(self, holds):
        """Wait for a fact about this process; nothing in it tells of one."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    def open(self):
        return len(self.connections._open)

    def ended(self, reason):
        return self.connections._closed_by_reason.labels(reason)._value.get()


async def heard(reader):
    """All that comes until the connection ends, gracefully or not."""
    found = b""
    with suppress(OSError):
        async with asyncio.timeout(PATIENCE_S):
            while block := await reader.read(65_536):
                found += block
    return found


@asynccontextmanager
async def _serving(api, limits, listener):
    app = create_app(api.deps, limits=limits)
    server = uvicorn.Server(config(app, "127.0.0.1", 0))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    served = ServedApp(api, app, listener.getsockname()[1])
    try:
        await served.until(lambda: server.started)
        yield served
    finally:
        await served.hang_up()
        server.should_exit = True
        await serving


@asynccontextmanager
async def open_app(postgres_server, redis_url, limits=SHORT):
    """The API on a port, over an empty database."""
    async with open_api(postgres_server, redis_url) as api:
        listener = socket.create_server(("127.0.0.1", 0))
        # what the kernel would hold of an answer is not what a test wants to fill
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        async with _serving(api, limits, listener) as served:
            yield served


def head(method, path, key=None, **headers):
    """The head of a request, as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x"]
    lines += [f"{n.replace('_', '-')}: {v}" for n, v in headers.items()]
    lines += [f"Authorization: Bearer {key}"] if key else []
    return "\r\n".join([*lines, "", ""]).encode()
