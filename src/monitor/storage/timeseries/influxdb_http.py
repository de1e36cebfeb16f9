"""A client for InfluxDB 1.x, 2.x (2.5 on) and 3 Core, which translates its errors.

All three serve the API of 1.x: ``POST /write`` with line protocol and ``/query`` with InfluxQL.
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
from monitor.runtime.waiting import waiting_for
from monitor.storage.timeseries.influxdb_errors import (
    DatabaseMissing,
    NotAllowed,
    Rejected,
    error_of,
    means_missing,
    query_error,
    version_in,
)
from monitor.storage.timeseries.influxql import Response, Series

_QUOTES: Final = "\"'`"
_TIMEOUT_S = 10.0
"""For a request and its whole response. A stream may take longer, as long as chunks arrive."""
_SILENCE_S = 120.0
"""InfluxDB 1.x plans a query over many series for a while before its first chunk."""
_GZIP_FROM_BYTES = 16_384
_LINES: Final = "text/plain; charset=utf-8"
_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"

_decoder = msgspec.json.Decoder(Response)


class InfluxHttp:
    """Requests to one server. The client is created with the first request, inside the loop."""

    def __init__(
        self,
        url: str,
        token: str | None,
        org: str | None,
        *,
        compress: bool = True,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        """``compress``: send lines compressed, at the cost of CPU on both sides."""
        self._url = url
        self._token = token
        self._org = org
        self._compress = compress
        self._timeout_s = timeout_s
        self._client: InfluxDBClientAsync | None = None
        self._major: int | None = None

    @property
    def org(self) -> str | None:
        return self._org

    def _get_client(self) -> InfluxDBClientAsync:
        if self._client is None:
            timeout = aiohttp.ClientTimeout(
                total=None, sock_connect=self._timeout_s, sock_read=_SILENCE_S
            )
            # 1.x authenticates with `user:password`; tokens of 2.x and 3 have no colon.
            basic = self._token is not None and ":" in self._token
            try:
                self._client = InfluxDBClientAsync(
                    self._url,
                    self._token or "",  # sent only if set
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
        headers, body = await self._send("GET", "/ping", {})
        # 3.0 names its version in the body only.
        version = (headers.get("X-Influxdb-Version") or version_in(body)).removeprefix("v")
        first, _, _ = version.partition(".")
        self._major = int(first) if first.isdecimal() else 1
        return version

    async def major(self) -> int:
        """The first number of the version. The server is asked once; ``version`` asks it again."""
        if self._major is None:
            await self.version()
        assert self._major is not None
        return self._major

    async def write(self, database: str, lines: bytes) -> None:
        """Store lines with timestamps in seconds.

        Raises PartialWrite, TooLarge, DatabaseMissing or Rejected where the server rejects them,
        and Unavailable for a temporary failure, after which a retry is safe.
        """
        headers = {"Content-Type": _LINES}
        if self._compress and len(lines) >= _GZIP_FROM_BYTES:
            headers["Content-Encoding"] = "gzip"
            lines = gzip.compress(lines, compresslevel=1, mtime=0)
        if await self.major() < 3:
            await self._send("POST", "/write", {"db": database, "precision": "s"}, headers, lines)
            return
        # Its /write refuses a whole body for one line in conflict.
        parameters = {"db": database, "precision": "second", "accept_partial": "true"}
        await self._send("POST", "/api/v3/write_lp", parameters, headers, lines)

    async def call(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Call an endpoint that administers 2.x or 3 with a JSON body; returns what it responds.

        Raises NotAllowed where the token may not, Rejected, and Unavailable.
        """
        headers = {} if body is None else {"Content-Type": _JSON}  # the client encodes it
        return (await self._send(method, path, parameters or {}, headers, body))[1]

    async def query(self, database: str, query: str) -> list[Series]:
        """The series of a SELECT.

        Raises DatabaseMissing, and Unavailable for any other error: our queries are valid, so the
        server has hit a limit of its own.
        """
        parameters = {"db": database, "q": query, "epoch": "s"}
        _, body = await self._send("GET", "/query", parameters)
        return _series(body)

    async def execute(self, statement: str) -> None:
        """Run a statement such as CREATE DATABASE (1.x).

        Raises Rejected with the server's message, and Unavailable.
        """
        headers = {"Content-Type": _FORM}
        _, body = await self._send("POST", "/query", {"q": statement}, headers)
        problem = _decode(body).first_error()
        if problem is not None:
            raise Rejected(f"influxdb: {printable(problem)}")

    async def stream(self, database: str, query: str, chunk: int) -> AsyncIterator[list[Series]]:
        """A SELECT answered in chunks, so that the result is never in memory as a whole.

        A chunk has at most ``chunk`` rows (3 Core) or rows of one series (1.x, 2.x).
        """
        chunks = {"chunked": "true", "chunk_size": str(chunk)}
        parameters = {"db": database, "q": query, "epoch": "s", **chunks}
        async with self._request("GET", "/query", parameters) as response:
            async for document in documents(response.content.iter_any()):
                yield _series(document)

    async def _send(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
        body: bytes | Mapping[str, Any] | None = None,
    ) -> tuple[Mapping[str, str], bytes]:
        """The headers and the body of a successful response, within the timeout."""
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._request(method, path, parameters, headers, body) as response,
            ):
                with waiting_for("influxdb"):
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
        body: bytes | Mapping[str, Any] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A successful response. Every failure is translated."""
        try:
            api: Any = self._get_client().api_client  # the library has no types
            with waiting_for("influxdb"):
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
                    raise self._explained(error_of(response.status, await response.read()))
                yield response
        except aiohttp.ServerTimeoutError as error:
            raise Unavailable("influxdb", "fell silent") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable("influxdb", type(error).__name__) from error

    def _explained(self, error: MonitorError) -> MonitorError:
        """The error, or the likely reason for it that only we can see."""
        if not isinstance(error, NotAllowed):
            return error
        if not self._token:
            problem = "it wants a token: set INFLUXDB_TOKEN"
        elif self._token[0] in _QUOTES or self._token[-1] in _QUOTES:
            problem = "INFLUXDB_TOKEN has quotation marks round it: remove them"
        else:
            return error
        return NotAllowed("influxdb", problem, error.details)


_ENDS = frozenset(b"} \t\r\n")
"""What may stand before a brace that opens another document."""
_ESCAPED = re.compile(rb"\\.", re.DOTALL)


async def documents(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The JSON objects of a chunked response, however they are separated and cut.

    1.x and 2.x end each with a line break, 3 Core with nothing. Within an object a brace opens
    after one that closes only in a string, and there a quotation mark is open.
    """
    rest, searched = bytearray(), 0
    async for chunk in chunks:
        rest += chunk
        begin = 0
        while (brace := rest.find(b"{", searched)) >= 0:
            searched = brace + 1
            if brace == begin or rest[brace - 1] not in _ENDS:
                continue
            document = bytes(rest[begin:brace]).strip()
            if document.endswith(b"}") and not _in_string(document):
                yield document
                begin = brace
        del rest[:begin]
        searched = len(rest)
    if last := bytes(rest).strip():
        yield last


def _in_string(text: bytes) -> bool:
    """Whether a string that began in this JSON text is still open at its end."""
    if b"\\" in text:
        text = _ESCAPED.sub(b"", text)
    return text.count(b'"') % 2 == 1


def _decode(body: bytes) -> Response:
    try:
        return _decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise Unavailable("influxdb", f"invalid response: {error}") from error


def _series(body: bytes) -> list[Series]:
    """The series of a response. Errors of a query come inside an HTTP 200."""
    response = _decode(body)
    problem = response.first_error()
    if problem is None:
        return [s for result in response.results for s in result.series]
    if means_missing(problem):
        raise DatabaseMissing(f"influxdb: {printable(problem)}")
    raise query_error(problem)
