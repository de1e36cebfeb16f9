"""The API as the command line asks it: imports that are resumed, and streams."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

import aiohttp
import msgspec

from monitor.domain.backoff import retry_after
from monitor.domain.errors import MonitorError
from monitor.runtime.terminal import single_line

_NDJSON = "application/x-ndjson"
_BLOCK_BYTES = 64 * 1024
_CONNECT_S = 10.0
_STALL_S = 120.0
"""No byte came or went for so long: the connection is as good as broken."""

_TRIES = 5
_LONGEST_WAIT_S = 120
_PASSING = frozenset({408, 502, 503, 504})
_ASK_EVERY_S = 0.2
_SETTLES_WITHIN_S = 15.0
_SAID_CHARS = 2000
_HANGS_UP_WITHIN_S = 1.0
_NO_LINGER = struct.pack("ii", 1, 0)
"""close(2) resets the connection (socket(7), SO_LINGER)."""


class Access(msgspec.Struct, frozen=True):
    """Where the API is, and the key to it."""

    url: str
    key: str

    def __repr__(self) -> str:
        """Without the key."""
        return f"Access({self.url})"


class Broken(MonitorError):
    """The connection broke, or the API cannot answer now: trying again may help."""


class Limited(Broken):
    """The API wants fewer requests, and says after how many seconds the next one may come."""

    def __init__(self, message: str, after_s: int) -> None:
        super().__init__(message)
        self.after_s = after_s


class Upload:
    """Lines to be imported, from the file's first byte on, however often that takes.

    ``at`` is told how many bytes have gone, ``waiting`` why and how many seconds it waits before
    it goes on.
    """

    def __init__(
        self,
        file: BinaryIO,
        key: str,
        *,
        dry_run: bool,
        at: Callable[[int], None],
        waiting: Callable[[str, int], None],
    ) -> None:
        self._file, self.key, self.dry_run = file, key, dry_run
        self.waiting = waiting
        self._at = at
        self.begun = False

    async def blocks(self, stall: asyncio.Timeout) -> AsyncIterator[bytes]:
        """All of it. ``stall`` is put off with every block that goes."""
        self.begun = True
        self._file.seek(0)
        while block := self._file.read(_BLOCK_BYTES):
            stall.reschedule(asyncio.get_running_loop().time() + _STALL_S)
            yield block
            self._at(self._file.tell())
        stall.reschedule(asyncio.get_running_loop().time() + _STALL_S)


@dataclass(frozen=True, slots=True)
class Client:
    """The API over an open session. Every call raises Broken, or MonitorError where the API
    refuses; the message is the API's own sentence."""

    session: aiohttp.ClientSession
    access: Access

    async def import_lines(
        self, upload: Upload, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> dict[str, Any]:
        """The finished import. Once the API has taken the first lines, a connection that breaks is
        resumed; after five times in a row without a line more it is given up: Broken."""
        failed, farthest = 0, 0
        while True:
            try:
                return await self._attempt(upload)
            except Broken as error:
                failed += 1
                asked_s = error.after_s if isinstance(error, Limited) else 0
                if not upload.begun and not asked_s:
                    raise MonitorError(str(error)) from None
                if failed >= _TRIES:
                    raise
                wait_s = max(retry_after(failed), asked_s)
                upload.waiting(str(error), wait_s)
                await pause(wait_s)
            lines = await self._lines_in(upload.key)
            if lines > farthest:
                failed, farthest = 0, lines

    async def _lines_in(self, key: str) -> int:
        """How many lines are stored, as far as that can be told now."""
        try:
            async with asyncio.timeout(_SETTLES_WITHIN_S):
                found = await self.settled_import(key)
        except (MonitorError, TimeoutError):
            return 0
        return int(found["lines"]) if found else 0

    async def _attempt(self, upload: Upload) -> dict[str, Any]:
        headers = {"Content-Type": _NDJSON, "Idempotency-Key": upload.key}
        query = {"dry_run": "true"} if upload.dry_run else {}
        try:
            async with asyncio.timeout(_STALL_S) as stall:
                # The lines are sent once the API says that it wants them: none with a wrong key.
                sent = {"data": upload.blocks(stall), "headers": headers, "expect100": True}
                async with self._request("POST", "/websites/bulk", query, **sent) as answer:
                    return await _object(answer)
        except TimeoutError as error:
            raise Broken(f"The connection broke: {_reason(error)}.") from None

    async def find_import(self, key: str) -> dict[str, Any] | None:
        """The import with this Idempotency-Key as it stands; None: the API has seen none."""
        query = {"idempotency_key": key}
        async with self._request("GET", "/websites/bulk", query) as answer:
            items = (await _object(answer))["items"]
        return items[0] if items else None

    async def settled_import(self, key: str) -> dict[str, Any] | None:
        """The same once the API no longer works on it; it tells so only by being asked."""
        while (found := await self.find_import(key)) and found["state"] == "running":  # noqa: ASYNC110
            await asyncio.sleep(_ASK_EVERY_S)
        return found

    async def failures(self, import_id: str) -> AsyncIterator[bytes]:
        """All failed lines of an import, as NDJSON."""
        path = f"/websites/bulk/{import_id}/results"
        async with self._request("GET", path, {"only": "failed"}) as answer:
            async for block in answer.content.iter_any():
                yield block

    async def export(self, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        """All websites that match. Raises Broken where it breaks off before its end."""
        async with self._request("GET", "/websites/export", query) as answer:
            async for block in answer.content.iter_any():
                yield block

    @asynccontextmanager
    async def _request(
        self, method: str, path: str, query: Mapping[str, str], **more: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        url = self.access.url.rstrip("/") + path
        try:
            async with AsyncExitStack() as stack:
                yield await self._asked(stack, method, url, params=query, **more)
        except aiohttp.ClientConnectorError as error:
            raise Broken(f"Nothing answers at {self.access.url}: {_reason(error)}.") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Broken(f"The connection broke: {_reason(error)}.") from None

    async def _asked(
        self, stack: AsyncExitStack, method: str, url: str, **more: Any
    ) -> aiohttp.ClientResponse:
        """An answer of 200. What only reads waits where it is told to."""
        tries_left = _TRIES
        while True:
            tries_left -= 1
            asking = self.session.request(method, url, allow_redirects=False, **more)
            answer = await stack.enter_async_context(asking)
            if answer.status == 200:
                return answer
            refusal = await _refusal(answer)
            if not isinstance(refusal, Limited) or method != "GET" or not tries_left:
                raise refusal
            await asyncio.sleep(refusal.after_s)


@asynccontextmanager
async def client(access: Access) -> AsyncIterator[Client]:
    """A client of the API. Where the block fails or is cancelled its connections end at once."""
    timeout = aiohttp.ClientTimeout(sock_connect=_CONNECT_S, sock_read=_STALL_S, total=None)
    headers = {"Authorization": f"Bearer {access.key}"}
    sockets: list[socket.socket] = []
    connector = aiohttp.TCPConnector(socket_factory=partial(_noted, sockets))
    async with aiohttp.ClientSession(
        headers=headers, timeout=timeout, connector=connector
    ) as session:
        try:
            yield Client(session, access)
        except BaseException:
            await _hang_up(sockets)
            raise


def _noted(
    sockets: list[socket.socket], address: tuple[int, int, int, str, tuple[Any, ...]]
) -> socket.socket:
    """A socket for an address as getaddrinfo gives it, put on the list."""
    made = socket.socket(*address[:3])
    sockets.append(made)
    return made


async def _hang_up(sockets: list[socket.socket]) -> None:
    """End connections now, and let what was written to them go.

    Else asyncio ends them once all that has been taken. An upload that is broken off has more to
    send than is taken at once, and the API would wait for the rest of it.
    """
    for each in sockets:
        with contextlib.suppress(OSError):  # it is closed
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            each.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_HANGS_UP_WITHIN_S):
            while any(each.fileno() != -1 for each in sockets):  # noqa: ASYNC110
                await asyncio.sleep(0)  # the loop sees each of them at its next turn and closes it


async def _object(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    found = _decoded(await answer.read())
    if found is None:
        raise MonitorError(f"{answer.url.origin()} answers, but not as a monitor does.")
    return found


async def _refusal(answer: aiohttp.ClientResponse) -> MonitorError:
    """The error for an answer that is none to be had."""
    problem = _decoded(await answer.content.read(_BLOCK_BYTES)) or {}
    said = problem.get("detail") or f"{answer.status} {answer.reason}"
    if 300 <= answer.status < 400:
        said = f"it redirects to {answer.headers.get('Location', 'nowhere')}; give that URL"
    message = f"{answer.url.origin()} answers: {single_line(str(said))[:_SAID_CHARS]}"
    if answer.status == 429:
        return Limited(message, _after_s(answer))
    if answer.status in _PASSING or problem.get("code") == "import_running":
        return Broken(message)
    return MonitorError(message)


def _after_s(answer: aiohttp.ClientResponse) -> int:
    """Retry-After in seconds (RFC 9110, section 10.2.3), within reason."""
    said = answer.headers.get("Retry-After", "")
    return min(max(int(said), 1), _LONGEST_WAIT_S) if said.isdecimal() else 1


def _decoded(body: bytes) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found if isinstance(found, dict) else None


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing came or went for {_STALL_S:g} s"
    inner = getattr(error, "os_error", None) or error
    return str(getattr(inner, "strerror", None) or inner) or type(error).__name__
