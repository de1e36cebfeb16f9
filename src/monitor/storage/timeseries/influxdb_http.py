"""One client for InfluxDB 1.x, 2.x (2.5 on) and 3 Core, and where its errors become ours.

All three serve the API of 1.x: ``POST /write`` takes line protocol and ``/query`` InfluxQL.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import aiohttp
import msgspec
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync

from monitor.domain.errors import MonitorError, SettingsError, Unavailable
from monitor.domain.outcome import printable
from monitor.storage.timeseries.influxql import Answer, Series

_TIMEOUT_S = 10.0
"""For a request and its whole answer. A stream may take longer, as long as pieces arrive."""
_SILENCE_S = 120.0
"""InfluxDB 1.x plans a question about many series for a while before its first piece."""
_GZIP_FROM_BYTES = 16_384
_LINES: Final = "text/plain; charset=utf-8"
_FORM: Final = "application/x-www-form-urlencoded"

_answer_decoder = msgspec.json.Decoder(Answer)


class Refused(MonitorError):
    """InfluxDB understood and said no: sending the same again would not help."""


class DatabaseMissing(Refused):
    """The database (1.x, 3) or bucket (2.x) does not exist."""


class TooLarge(Refused):
    """The request is larger than the server takes."""


class PartlyStored(Refused):
    """Some points were dropped for good, the others are stored.

    ``dropped`` is None where the server does not say how many.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        counted = re.search(r"dropped=(\d+)", message)
        self.dropped = int(counted[1]) if counted else None


class InfluxHttp:
    """Requests to one server. The client opens at the first request, inside the event loop."""

    def __init__(
        self,
        url: str,
        token: str | None,
        org: str | None,
        *,
        compress: bool = True,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        """``compress``: lines are sent compressed, which costs CPU here and there."""
        self._url = url
        self._token = token
        self._org = org
        self._compress = compress
        self._timeout_s = timeout_s
        self._client: InfluxDBClientAsync | None = None

    def _opened(self) -> InfluxDBClientAsync:
        if self._client is None:
            timeout = aiohttp.ClientTimeout(
                total=None, sock_connect=self._timeout_s, sock_read=_SILENCE_S
            )
            # `user:password` is how 1.x is spoken to; tokens of 2.x and 3 have no colon.
            basic = self._token is not None and ":" in self._token
            try:
                self._client = InfluxDBClientAsync(
                    self._url,
                    self._token or "",  # sent only where there is one
                    self._org or "",
                    timeout=timeout,
                    auth_basic=basic,
                )
            except ValueError as error:
                raise SettingsError(f"INFLUXDB_URL is not a usable URL: {error}.") from error
        return self._client

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()  # type: ignore[no-untyped-call] # the library has no types

    async def version(self) -> str:
        """The server's version, such as ``1.6.7``. Raises Unavailable where it does not answer."""
        headers, body = await self._ask("GET", "/ping", {})
        # 3.0 names its version in the body only.
        named = headers.get("X-Influxdb-Version") or _version_in(body)
        return named.removeprefix("v")

    async def write(self, database: str, lines: bytes) -> None:
        """Store lines of whole seconds.

        Raises PartlyStored, TooLarge, DatabaseMissing or Refused for this server's ways of
        saying no, and Unavailable for a passing failure, after which sending again is safe.
        """
        headers = {"Content-Type": _LINES}
        if self._compress and len(lines) >= _GZIP_FROM_BYTES:
            headers["Content-Encoding"] = "gzip"
            lines = gzip.compress(lines, compresslevel=1, mtime=0)
        await self._ask("POST", "/write", {"db": database, "precision": "s"}, headers, lines)

    async def query(self, database: str, question: str) -> list[Series]:
        """The series of a SELECT.

        Raises DatabaseMissing, and Unavailable for whatever else the server says: our questions
        are sound, so it is a limit of its own that it has met.
        """
        parameters = {"db": database, "q": question, "epoch": "s"}
        _, body = await self._ask("GET", "/query", parameters)
        return _series(body)

    async def execute(self, statement: str) -> None:
        """Run a statement that changes something, such as CREATE DATABASE (1.x).

        Raises Refused with the server's words, and Unavailable.
        """
        headers = {"Content-Type": _FORM}
        _, body = await self._ask("POST", "/query", {"q": statement}, headers)
        problem = _answer(body).first_error()
        if problem is not None:
            raise Refused(f"influxdb: {printable(problem)}")

    async def stream(self, database: str, question: str, chunk: int) -> AsyncIterator[list[Series]]:
        """A SELECT answered piece by piece, so that not all of it is held at once.

        A piece has at most ``chunk`` rows (3 Core) or rows of one series (1.x, 2.x).
        """
        chunks = {"chunked": "true", "chunk_size": str(chunk)}
        parameters = {"db": database, "q": question, "epoch": "s", **chunks}
        async with self._request("GET", "/query", parameters) as response:
            async for document in documents(response.content.iter_any()):
                yield _series(document)

    async def _ask(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> tuple[Mapping[str, str], bytes]:
        """The headers and the body of a successful answer, all within the timeout."""
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._request(method, path, parameters, headers, body) as response,
            ):
                return response.headers, await response.read()
        except TimeoutError as error:
            raise Unavailable("influxdb", f"no answer within {self._timeout_s:g} s") from error

    @contextlib.asynccontextmanager
    async def _request(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A request whose head said success; every failure becomes ours."""
        try:
            api: Any = self._opened().api_client  # the library has no types
            response = await api.call_api(
                path,
                method,
                query_params=dict(parameters),
                header_params=dict(headers or {}),
                body=body,
                _preload_content=False,
            )
            async with response:
                if response.status >= 300:
                    raise _refusal(response.status, await response.read())
                yield response
        except aiohttp.ServerTimeoutError as error:
            raise Unavailable("influxdb", "fell silent") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable("influxdb", type(error).__name__) from error


async def documents(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The documents of a chunked answer: one a line, of any length."""
    rest = b""
    async for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            if line.strip():
                yield line
    if rest.strip():
        yield rest


def _answer(body: bytes) -> Answer:
    try:
        return _answer_decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise Unavailable("influxdb", f"an answer that is none: {error}") from error


def _series(body: bytes) -> list[Series]:
    """What an answer holds. What is wrong with a question is said inside an HTTP 200."""
    answer = _answer(body)
    problem = answer.first_error()
    if problem is None:
        return [s for result in answer.results for s in result.series]
    if _means_missing(problem):
        raise DatabaseMissing(f"influxdb: {printable(problem)}")
    raise Unavailable("influxdb", printable(problem))


def _refusal(status: int, body: bytes) -> MonitorError:
    """The error that an HTTP status of 300 or more means.

    1.x and 3 answer a partial write with 400, 2.x with 422.
    """
    words = printable(_message_in(body))
    if status in (401, 403):
        return Unavailable("influxdb", f"{status}, check INFLUXDB_TOKEN: {words}")
    if status == 404 and _means_missing(words):
        return DatabaseMissing(f"influxdb: {words}")
    if status == 413:
        return TooLarge(f"influxdb: {words}")
    if status in (400, 422) and "partial write" in words:
        return PartlyStored(words)
    if status in (408, 429) or status >= 500:
        return Unavailable("influxdb", f"{status} {words}")
    return Refused(f"influxdb: {status} {words}")


def _means_missing(words: str) -> bool:
    # 1.x and 3: "database not found"; 2.x: "no dbrp mapping found", "retention policy not found".
    return "not found" in words or "no dbrp mapping" in words


class _Message(msgspec.Struct):
    """How the three versions word an error, and how 3 names its version."""

    error: str = ""
    message: str = ""
    version: str = ""


def _message_in(body: bytes) -> str:
    try:
        said = msgspec.json.decode(body, type=_Message)
    except msgspec.MsgspecError:
        return body.decode(errors="replace")
    return said.error or said.message


def _version_in(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Message).version
    except msgspec.MsgspecError:
        return ""
