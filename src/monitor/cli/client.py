"""The command line's client of the API: resumed imports, and streams."""

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
"""Without a byte sent or received for so long, the connection counts as broken."""

_MAX_ATTEMPTS = 5
_MAX_WAIT_S = 120
_TEMPORARY = frozenset({408, 502, 503, 504})
_POLL_EVERY_S = 0.2
_SETTLES_WITHIN_S = 15.0
_MAX_DETAIL_CHARS = 2000
_HANG_UP_TIMEOUT_S = 1.0
_NO_LINGER = struct.pack("ii", 1, 0)
"""close(2) resets the connection (socket(7), SO_LINGER)."""


class Access(msgspec.Struct, frozen=True):
    """The URL of the API, and the key for it."""

    url: str
    key: str

    def __repr__(self) -> str:
        """Without the key."""
        return f"Access({self.url})"


class Broken(MonitorError):
    """The connection broke, or the API is unavailable: trying again may help."""


class Limited(Broken):
    """The API limits requests, and says after how many seconds the next one is allowed."""

    def __init__(self, message: str, after_s: int) -> None:
        super().__init__(message)
        self.after_s = after_s


class Upload:
    """Lines to be imported, from the file's first byte on at each attempt.

    ``at`` is called with the number of bytes sent, ``waiting`` with the reason for a pause and its
    seconds.
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
        """The whole file. ``stall`` is postponed with every block that is sent."""
        self.begun = True
        self._file.seek(0)
        while block := self._file.read(_BLOCK_BYTES):
            stall.reschedule(asyncio.get_running_loop().time() + _STALL_S)
            yield block
            self._at(self._file.tell())
        stall.reschedule(asyncio.get_running_loop().time() + _STALL_S)


@dataclass(frozen=True, slots=True)
class Client:
    """The API over an open session. Every call raises Broken, or MonitorError if the API refuses;
    the message is the API's own sentence."""

    session: aiohttp.ClientSession
    access: Access

    async def import_lines(
        self, upload: Upload, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> dict[str, Any]:
        """Run an import to its end. Once the API has accepted the first lines, a broken connection
        is resumed; after five attempts without another line stored it raises Broken."""
        failed, farthest = 0, 0
        while True:
            try:
                return await self._attempt(upload)
            except Broken as error:
                failed += 1
                asked_s = error.after_s if isinstance(error, Limited) else 0
                if not upload.begun and not asked_s:
                    raise MonitorError(str(error)) from None
                if failed >= _MAX_ATTEMPTS:
                    raise
                wait_s = max(retry_after(failed), asked_s)
                upload.waiting(str(error), wait_s)
                await pause(wait_s)
            lines = await self._lines_in(upload.key)
            if lines > farthest:
                failed, farthest = 0, lines

    async def _lines_in(self, key: str) -> int:
        """How many lines are stored, or 0 if that cannot be determined now."""
        try:
            async with asyncio.timeout(_SETTLES_WITHIN_S):
                stored = await self.settled_import(key)
        except (MonitorError, TimeoutError):
            return 0
        return int(stored["lines"]) if stored else 0

    async def _attempt(self, upload: Upload) -> dict[str, Any]:
        headers = {"Content-Type": _NDJSON, "Idempotency-Key": upload.key}
        query = {"dry_run": "true"} if upload.dry_run else {}
        try:
            async with asyncio.timeout(_STALL_S) as stall:
                # The lines are sent once the API agrees to take them: none with a wrong key.
                sent = {"data": upload.blocks(stall), "headers": headers, "expect100": True}
                async with self._request("POST", "/websites/bulk", query, **sent) as response:
                    return await _object(response)
        except TimeoutError as error:
            raise Broken(f"The connection broke: {_reason(error)}.") from None

    async def find_import(self, key: str) -> dict[str, Any] | None:
        """The current state of the import with this Idempotency-Key; None if there is none."""
        query = {"idempotency_key": key}
        async with self._request("GET", "/websites/bulk", query) as response:
            items = (await _object(response))["items"]
        return items[0] if items else None

    async def settled_import(self, key: str) -> dict[str, Any] | None:
        """The same, once the API no longer works on it. There is no way but to poll."""
        while (state := await self.find_import(key)) and state["state"] == "running":  # noqa: ASYNC110
            await asyncio.sleep(_POLL_EVERY_S)
        return state

    async def failures(self, import_id: str) -> AsyncIterator[bytes]:
        """All failed lines of an import, as NDJSON."""
        path = f"/websites/bulk/{import_id}/results"
        async with self._request("GET", path, {"only": "failed"}) as response:
            async for block in response.content.iter_any():
                yield block

    async def export(self, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        """All websites that match. Raises Broken if it breaks off before its end."""
        async with self._request("GET", "/websites/export", query) as response:
            async for block in response.content.iter_any():
                yield block

    @asynccontextmanager
    async def _request(
        self, method: str, path: str, query: Mapping[str, str], **more: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        url = self.access.url.rstrip("/") + path
        try:
            async with AsyncExitStack() as stack:
                yield await self._send(stack, method, url, params=query, **more)
        except aiohttp.ClientConnectorError as error:
            raise Broken(f"Nothing answers at {self.access.url}: {_reason(error)}.") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Broken(f"The connection broke: {_reason(error)}.") from None

    async def _send(
        self, stack: AsyncExitStack, method: str, url: str, **more: Any
    ) -> aiohttp.ClientResponse:
        """A response with status 200. A GET waits and retries if the API limits requests."""
        tries_left = _MAX_ATTEMPTS
        while True:
            tries_left -= 1
            request = self.session.request(method, url, allow_redirects=False, **more)
            response = await stack.enter_async_context(request)
            if response.status == 200:
                return response
            refusal = await _refusal(response)
            if not isinstance(refusal, Limited) or method != "GET" or not tries_left:
                raise refusal
            await asyncio.sleep(refusal.after_s)


@asynccontextmanager
async def client(access: Access) -> AsyncIterator[Client]:
    """A client of the API. If the block fails or is cancelled, its connections end at once."""
    timeout = aiohttp.ClientTimeout(sock_connect=_CONNECT_S, sock_read=_STALL_S, total=None)
    headers = {"Authorization": f"Bearer {access.key}"}
    sockets: list[socket.socket] = []
    connector = aiohttp.TCPConnector(socket_factory=partial(_tracked_socket, sockets))
    async with aiohttp.ClientSession(
        headers=headers, timeout=timeout, connector=connector
    ) as session:
        try:
            yield Client(session, access)
        except BaseException:
            await _hang_up(sockets)
            raise


def _tracked_socket(
    sockets: list[socket.socket], address: tuple[int, int, int, str, tuple[Any, ...]]
) -> socket.socket:
    """A socket for an address as getaddrinfo gives it, added to the list."""
    new = socket.socket(*address[:3])
    sockets.append(new)
    return new


async def _hang_up(sockets: list[socket.socket]) -> None:
    """Reset connections now, and discard what is still to be sent.

    Otherwise asyncio closes them once everything is sent. An interrupted upload has more to send
    than the API reads at once, and the API would wait for the rest.
    """
    for each in sockets:
        with contextlib.suppress(OSError):  # already closed
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            each.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_HANG_UP_TIMEOUT_S):
            while any(each.fileno() != -1 for each in sockets):  # noqa: ASYNC110
                await asyncio.sleep(0)  # the loop closes them when it runs next


async def _object(response: aiohttp.ClientResponse) -> dict[str, Any]:
    value = _decoded(await response.read())
    if value is None:
        raise MonitorError(f"{response.url.origin()} answers, but not as a monitor does.")
    return value


async def _refusal(response: aiohttp.ClientResponse) -> MonitorError:
    """The error for a response that is not 200."""
    problem = _decoded(await response.content.read(_BLOCK_BYTES)) or {}
    detail = problem.get("detail") or f"{response.status} {response.reason}"
    if 300 <= response.status < 400:
        detail = f"it redirects to {response.headers.get('Location', 'nowhere')}; give that URL"
    message = f"{response.url.origin()} answers: {single_line(str(detail))[:_MAX_DETAIL_CHARS]}"
    if response.status == 429:
        return Limited(message, _after_s(response))
    if response.status in _TEMPORARY or problem.get("code") == "import_running":
        return Broken(message)
    return MonitorError(message)


def _after_s(response: aiohttp.ClientResponse) -> int:
    """Retry-After in seconds (RFC 9110, section 10.2.3), within reason."""
    text = response.headers.get("Retry-After", "")
    return min(max(int(text), 1), _MAX_WAIT_S) if text.isdecimal() else 1


def _decoded(body: bytes) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return value if isinstance(value, dict) else None


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing came or went for {_STALL_S:g} s"
    inner = getattr(error, "os_error", None) or error
    return str(getattr(inner, "strerror", None) or inner) or type(error).__name__
