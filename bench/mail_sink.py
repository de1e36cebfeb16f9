"""A mail server that takes every mail and keeps none, as a program: ``mail_sink.py PORT``.

Just enough of SMTP (RFC 5321) for a client that waits for each answer, and cheap: on the machine
that is measured, a mail server's own work must not be what is measured.
"""

from __future__ import annotations

import asyncio
import socket
import sys

_END = b"\r\n.\r\n"


class Session(asyncio.Protocol):
    """One connection: says yes to each command."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._out = transport
        self._buffer = b""
        self._mail = False
        self._out.write(b"220 bench.test ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._take():
            pass

    def _take(self) -> bool:
        """Deal with one command or one mail; False where it is not whole yet."""
        # The line that ends a mail may be its first.
        end = (b"\r\n" + self._buffer).find(_END) if self._mail else self._buffer.find(b"\r\n")
        if end < 0:
            return False
        if self._mail:
            self._buffer = self._buffer[end + len(_END) - 2 :]
            self._mail = False
            self._out.write(b"250 2.0.0 Taken\r\n")
            return True
        command, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        self._answer(command[:4].upper())
        return True

    def _answer(self, verb: bytes) -> None:
        self._mail = verb == b"DATA"
        if verb == b"DATA":
            self._out.write(b"354 Go on\r\n")
        elif verb == b"QUIT":
            self._out.write(b"221 2.0.0 Bye\r\n")
            self._out.close()
        elif verb == b"EHLO":
            self._out.write(b"250-bench.test\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n")
        else:
            self._out.write(b"250 2.0.0 OK\r\n")


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            return True
    except OSError:
        return False


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Session, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
