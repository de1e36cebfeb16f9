"""The command line's client of the API: resumable imports, and streams."""

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
"""A connection without any traffic for this long counts as broken."""

_TRIES = 5
_MAX_WAIT_S = 120
_RETRYABLE = frozenset({408, 502, 503, 504})
_POLL_EVERY_S = 0.2
_FINISHES_WITHIN_S = 15.0
_MAX_MESSAGE_CHARS = 2000
_ABORT_WITHIN_S = 1.0
_NO_LINGER = struct.pack("ii", 1, 0)
"""close(2) resets the connection (socket(7), SO_LINGER)."""


class Access(msgspec.Struct, frozen=True):
    """The URL of the API and its key."""

    url: str
    key: str

    def __repr__(self) -> str:
        """Without the key."""
        return f"Access({self.url})"


class Interrupted(MonitorError):
    """The connection broke, or the API cannot answer now: a retry may help."""


class RateLimited(Interrupted):
    """The API limits requests; the next one is allowed after ``after_s`` seconds."""

    def __init__(self, message: str, after_s: int) -> None:
        super().__init__(message)
        self.after_s = after_s


class Upload:
    """The lines to import. Every attempt starts at the file's first byte.

    ``on_progress`` gets the number of bytes sent, ``on_wait`` the reason and the seconds of a
    wait before the next attempt.
    """

    def __init__(
        self,
        file: BinaryIO,
        key: str,
        *,
        dry_run: bool,
        on_progress: Callable[[int], None],
        on_wait: Callable[[str, int], None],
    ) -> None:
        self._file, self.key, self.dry_run = file, key, dry_run
        self.on_wait = on_wait
        self._on_progress = on_progress
        self.started = False

    async def blocks(self, stall: asyncio.Timeout) -> AsyncIterator[bytes]:
        """The whole file in blocks. Every block that is sent extends ``stall``."""
        self.started = True
        self._file.seek(0)
        while block := self._file.read(_BLOCK_BYTES):
            stall.reschedule(asyncio.get_running_loop().time() + _STALL_S)
            yield block
            self._on_progress(self._file.tell())
        stall.reschedule(asyncio.get_running_loop().time() + _STALL_S)


@dataclass(frozen=True, slots=True)
class Client:
    """The API over an open session. Every call raises Interrupted, or MonitorError with the API's
    message where the API refuses."""

    session: aiohttp.ClientSession
    access: Access

    async def import_lines(
        self, upload: Upload, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> dict[str, Any]:
        """The finished import. Once the API has accepted the first lines, a broken connection is
        resumed. Raises Interrupted after five failures in a row without another line stored."""
        failed, farthest = 0, 0
        while True:
            try:
                return await self._attempt(upload)
            except Interrupted as error:
                failed += 1
                after_s = error.after_s if isinstance(error, RateLimited) else 0
                if not upload.started and not after_s:
                    raise MonitorError(str(error)) from None
                if failed >= _TRIES:
                    raise
                wait_s = max(retry_after(failed), after_s)
                upload.on_wait(str(error), wait_s)
                await pause(wait_s)
            lines = await self._stored_lines(upload.key)
            if lines > farthest:
                failed, farthest = 0, lines

    async def _stored_lines(self, key: str) -> int:
        """How many lines are stored; 0 where that is unknown."""
        try:
            async with asyncio.timeout(_FINISHES_WITHIN_S):
                document = await self.idle_import(key)
        except (MonitorError, TimeoutError):
            return 0
        return int(document["lines"]) if document else 0

    async def _attempt(self, upload: Upload) -> dict[str, Any]:
        headers = {"Content-Type": _NDJSON, "Idempotency-Key": upload.key}
        query = {"dry_run": "true"} if upload.dry_run else {}
        try:
            async with asyncio.timeout(_STALL_S) as stall:
                # Lines are sent only after the API accepts the head: none with a wrong key.
                options = {"data": upload.blocks(stall), "headers": headers, "expect100": True}
                async with self._request("POST", "/websites/bulk", query, **options) as response:
                    return await _object(response)
        except TimeoutError as error:
            raise Interrupted(f"The connection broke: {_reason(error)}.") from None

    async def find_import(self, key: str) -> dict[str, Any] | None:
        """The current state of the import with this Idempotency-Key; None where there is none."""
        query = {"idempotency_key": key}
        async with self._request("GET", "/websites/bulk", query) as response:
            items = (await _object(response))["items"]
        return items[0] if items else None

    async def idle_import(self, key: str) -> dict[str, Any] | None:
        """The same once the API no longer works on it, which can only be polled."""
        document = await self.find_import(key)
        while document and document["state"] == "running":
            await asyncio.sleep(_POLL_EVERY_S)
            document = await self.find_import(key)
        return document

    async def failures(self, import_id: str) -> AsyncIterator[bytes]:
        """All failed lines of an import, as NDJSON."""
        path = f"/websites/bulk/{import_id}/results"
        async with self._request("GET", path, {"only": "failed"}) as response:
            async for block in response.content.iter_any():
                yield block

    async def export(self, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        """All matching websites. Raises Interrupted where the connection breaks before the end."""
        async with self._request("GET", "/websites/export", query) as response:
            async for block in response.content.iter_any():
                yield block

    async def reports(self, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        """The availability of all matching websites, as CSV. Raises as ``export`` does."""
        async with self._request("GET", "/sla", {**query, "format": "csv"}) as response:
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
            raise Interrupted(f"Nothing answers at {self.access.url}: {_reason(error)}.") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Interrupted(f"The connection broke: {_reason(error)}.") from None

    async def _send(
        self, stack: AsyncExitStack, method: str, url: str, **more: Any
    ) -> aiohttp.ClientResponse:
        """A response with status 200. A GET waits and retries where it is rate limited."""
        tries_left = _TRIES
        while True:
            tries_left -= 1
            request = self.session.request(method, url, allow_redirects=False, **more)
            response = await stack.enter_async_context(request)
            if response.status == 200:
                return response
            error = await _error(response)
            if not isinstance(error, RateLimited) or method != "GET" or not tries_left:
                raise error
            await asyncio.sleep(error.after_s)


@asynccontextmanager
async def client(access: Access) -> AsyncIterator[Client]:
    """A client of the API. Its connections are reset if the block fails or is cancelled."""
    timeout = aiohttp.ClientTimeout(sock_connect=_CONNECT_S, sock_read=_STALL_S, total=None)
    headers = {"Authorization": f"Bearer {access.key}"}
    sockets: list[socket.socket] = []
    connector = aiohttp.TCPConnector(socket_factory=partial(_tracked, sockets))
    async with aiohttp.ClientSession(
        headers=headers, timeout=timeout, connector=connector
    ) as session:
        try:
            yield Client(session, access)
        except BaseException:
            await _abort(sockets)
            raise


def _tracked(
    sockets: list[socket.socket], address: tuple[int, int, int, str, tuple[Any, ...]]
) -> socket.socket:
    """A new socket for an address from getaddrinfo, added to the list."""
    sock = socket.socket(*address[:3])
    sockets.append(sock)
    return sock


async def _abort(sockets: list[socket.socket]) -> None:
    """Reset connections now and discard unsent data.

    Otherwise asyncio closes them only once everything is sent: an upload that is cancelled has
    more unsent data than the network takes at once, and the API would wait for the rest.
    """
    for each in sockets:
        with contextlib.suppress(OSError):  # already closed
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            each.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_ABORT_WITHIN_S):
            while any(each.fileno() != -1 for each in sockets):  # noqa: ASYNC110
                await asyncio.sleep(0)  # the loop closes each of them in its next iteration


async def _object(response: aiohttp.ClientResponse) -> dict[str, Any]:
    document = _decoded(await response.read())
    if document is None:
        raise MonitorError(f"{response.url.origin()} answers, but it is not a monitor API.")
    return document


async def _error(response: aiohttp.ClientResponse) -> MonitorError:
    """The error for a response other than 200."""
    problem = _decoded(await response.content.read(_BLOCK_BYTES)) or {}
    detail = problem.get("detail") or f"{response.status} {response.reason}"
    if 300 <= response.status < 400:
        detail = f"it redirects to {response.headers.get('Location', 'nowhere')}; give that URL"
    message = f"{response.url.origin()} answers: {single_line(str(detail))[:_MAX_MESSAGE_CHARS]}"
    if response.status == 429:
        return RateLimited(message, _after_s(response))
    if response.status in _RETRYABLE or problem.get("code") == "import_running":
        return Interrupted(message)
    return MonitorError(message)


def _after_s(response: aiohttp.ClientResponse) -> int:
    """Retry-After in seconds (RFC 9110, section 10.2.3), within 1 to 120."""
    value = response.headers.get("Retry-After", "")
    return min(max(int(value), 1), _MAX_WAIT_S) if value.isdecimal() else 1


def _decoded(body: bytes) -> dict[str, Any] | None:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return document if isinstance(document, dict) else None


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no data for {_STALL_S:g} s"
    inner = getattr(error, "os_error", None) or error
    return str(getattr(inner, "strerror", None) or inner) or type(error).__name__
