"""CPU of reading one answer, without its connection: the least of several runs.

    python -m bench.exchange

To compare, run it with another commit's ``src`` in PYTHONPATH.
"""

from __future__ import annotations

import asyncio
import time
import timeit
from collections.abc import Callable
from functools import partial

import uvloop

from monitor.probes.http.exchange import Exchange
from monitor.probes.net.phases import Progress

_HEAD = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.24.0\r\nDate: Tue, 01 Dec 2026 00:00:00 GMT\r\n"
    b"Content-Type: text/html; charset=utf-8\r\n%b\r\nConnection: close\r\n"
    b"Last-Modified: Mon, 30 Nov 2026 00:00:00 GMT\r\nETag: 1234-5678\r\nAccept-Ranges: bytes\r\n"
)
_PAGE = b"x" * 500
_PLAIN = _HEAD % b"Content-Length: 500"
_PIECE_BYTES = 16_384
_CALLS, _RUNS = 2000, 25


def _pieces(data: bytes) -> list[bytes]:
    return [data[i : i + _PIECE_BYTES] for i in range(0, len(data), _PIECE_BYTES)]


ANSWERS = {
    "500 bytes": [_PLAIN + b"\r\n" + _PAGE],
    "500 bytes, head and body apart": [_PLAIN + b"\r\n", _PAGE],
    "500 bytes in a chunk": [
        _HEAD % b"Transfer-Encoding: chunked" + b"\r\n1f4\r\n" + _PAGE + b"\r\n0\r\n\r\n"
    ],
    "500 bytes, 28 header lines": [
        _PLAIN + b"X-Header-Name: a value of some length\r\n" * 20 + b"\r\n" + _PAGE
    ],
    "60,000 bytes": _pieces(_HEAD % b"Content-Length: 60000" + b"\r\n" + b"x" * 60_000),
}


class _Unconnected(asyncio.Transport):
    """Takes the request, and no more."""

    def write(self, data: object) -> None:
        pass

    def abort(self) -> None:
        pass


def _read(loop: asyncio.AbstractEventLoop, transport: _Unconnected, pieces: list[bytes]) -> None:
    exchange = Exchange(loop, Progress(0.0), b"")
    exchange.connection_made(transport)
    for piece in pieces:
        exchange.data_received(piece)
    assert exchange._response.result() is not None
    exchange.close()


def _cpu_us(call: Callable[[], None]) -> float:
    runs_s = timeit.repeat(call, number=_CALLS, repeat=_RUNS, timer=time.process_time)
    return min(runs_s) / _CALLS * 1e6


def main() -> None:
    loop, transport = uvloop.new_event_loop(), _Unconnected()
    for name, pieces in ANSWERS.items():
        print(f"{name:32} {_cpu_us(partial(_read, loop, transport, pieces)):6.1f} us")
    loop.close()


if __name__ == "__main__":
    main()
