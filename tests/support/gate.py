"""A way to a server that can be cut, for those who take it, and opened again."""

import asyncio
import contextlib
import socket
import struct
import threading

from support.ports import free_ports

_BLOCK = 65_536
_NO_LINGER = struct.pack("ii", 1, 0)


class Gate:
    """Passes TCP connections on to a port of this machine, while it is open."""

    def __init__(self, target):
        self.target = target
        self.port = free_ports(1)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._server = None
        self._writers = set()
        self._pumps = set()

    def __enter__(self):
        self._thread.start()
        self.open()
        return self

    def __exit__(self, *_):
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def open(self):
        """Let connections through again, on the same port as ever."""
        self._run(self._open())

    def cut(self, *, reset=False):
        """Break every connection off and refuse new ones. ``reset``: as a host does that has
        forgotten them, instead of orderly."""
        self._run(self._cut(reset))

    def vanish(self):
        """Pass nothing more over the connections there are. They stand, and new ones work."""
        self._run(self._vanish())

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _open(self):
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self.port)

    async def _vanish(self):
        for pump in self._pumps:
            pump.cancel()

    async def _cut(self, reset):
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            if reset:
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            writer.transport.abort()
        self._writers.clear()
        if self._pumps:
            await asyncio.wait(self._pumps, timeout=5)

    async def _pass(self, reader, writer):
        self._writers.add(writer)
        pumps = asyncio.current_task()
        self._pumps.add(pumps)
        pumps.add_done_callback(self._pumps.discard)
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
            self._writers.add(far_writer)
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
            self._writers.discard(far_writer)
        self._writers.discard(writer)


async def _pump(reader, writer):
    try:
        while data := await reader.read(_BLOCK):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
