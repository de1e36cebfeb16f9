"""Checks of websites over HTTP and HTTPS."""

from __future__ import annotations

import asyncio
import ssl
import traceback
from collections.abc import Sequence
from importlib.metadata import version

import aiohttp

from monitor.domain.outcome import Outcome, Reason, Result
from monitor.domain.website import CheckOptions, status_expected
from monitor.logs import get_logger
from monitor.probes import reasons, tls
from monitor.probes.address_policy import AddressPolicy
from monitor.probes.connector import Connector
from monitor.probes.phases import CURRENT, Progress
from monitor.probes.reasons import CheckFailed, Finding, down, not_measured
from monitor.probes.redirects import (
    MAX_REDIRECTS,
    REDIRECT_STATUSES,
    Request,
    first_request,
    next_request,
)
from monitor.probes.resolver import Resolver

MAX_BODY_BYTES = 64 * 1024
"""How much of an answer's body is read."""

_HEADERS = {
    "User-Agent": f"monitor/{version('monitor')} (website monitoring)",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=None)
_log = get_logger(__name__)


class HttpProber:
    """Checks websites over HTTP and HTTPS.

    One per event loop; made inside it. Owns the connector, the resolver and the TLS
    contexts; close() gives them back.
    """

    def __init__(
        self,
        *,
        policy: AddressPolicy,
        dns_servers: Sequence[str] = (),
        concurrency: int = 2000,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        """``trust`` replaces the context that verifies certificates."""
        self._loop = asyncio.get_running_loop()
        self._slots = asyncio.Semaphore(concurrency)
        self._verified = trust or tls.verified()
        self._unverified = tls.unverified()
        self._resolver = Resolver(dns_servers)
        self._session = aiohttp.ClientSession(
            connector=Connector(self._resolver, policy),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            timeout=_NO_TIMEOUT,
            auto_decompress=False,
            read_bufsize=MAX_BODY_BYTES // 2,  # reading pauses at twice this
        )
        # aiohttp repeats a request whose connection broke. Here one check is one attempt.
        self._session._retry_connection = False  # it has no public switch

    async def check(self, options: CheckOptions) -> Outcome:
        """One attempt to reach one website, redirects included, within its request_timeout.

        Waiting for a free slot counts neither in the deadline nor in the timings. Never
        raises but for cancellation: every failure is an outcome, and one of our own making
        says that nothing was measured.
        """
        async with self._slots:
            progress = Progress(self._loop.time() + options.request_timeout)
            CURRENT.set(progress)
            try:
                async with asyncio.timeout_at(progress.deadline_s) as deadline:
                    return await self._follow(options, progress)
            except CheckFailed as failed:
                finding = failed.finding
            except Exception as error:  # noqa: BLE001  # a check says what it found, always
                if deadline.expired():
                    finding = reasons.of_deadline(progress, options.request_timeout)
                else:
                    finding = self._finding_of(error, progress)
            return _failed(finding, progress)

    async def close(self) -> None:
        """Give everything back. Checks still under way end as not measured."""
        await self._session.close()
        await self._resolver.close()

    async def _follow(self, options: CheckOptions, progress: Progress) -> Outcome:
        """Send the request, and the next ones as redirects say, until an answer is final."""
        context = self._verified if options.verify_ssl else self._unverified
        request = first_request(options)
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._send(request, context, progress)
            try:
                if not options.follow_redirects or response.status not in REDIRECT_STATUSES:
                    await _read(response)
                    return _answered(options, progress)
                location = response.headers.get("Location")
                request = next_request(request, response.status, location)
            finally:
                response.close()
        text = f"more than {MAX_REDIRECTS} redirects"
        raise CheckFailed(down(Reason.TOO_MANY_REDIRECTS, text))

    async def _send(
        self, request: Request, context: ssl.SSLContext, progress: Progress
    ) -> aiohttp.ClientResponse:
        progress.status_code = 0
        response = await self._session.request(
            request.method,
            request.url,
            headers=request.headers,
            data=request.body,
            allow_redirects=False,
            ssl=context,
        )
        progress.status_code = response.status
        return response

    def _finding_of(self, error: Exception, progress: Progress) -> Finding:
        if self._session.closed:
            return not_measured(Reason.INTERNAL_ERROR, "the prober was closed during the check")
        finding = reasons.of_response_error(error, progress)
        if finding is not None:
            return finding
        # Where, not what: the text of an error may hold a header of the request.
        where = traceback.format_tb(error.__traceback__)[-3:]
        _log.error("probe.unforeseen", error=type(error).__name__, where=where)
        text = f"the check failed on our side ({type(error).__name__})"
        return not_measured(Reason.INTERNAL_ERROR, text)


async def _read(response: aiohttp.ClientResponse) -> None:
    """Read the body to its end or to the limit, and keep nothing of it."""
    received = 0
    while received < MAX_BODY_BYTES:
        part = await response.content.readany()
        if not part:
            return
        received += len(part)


def _answered(options: CheckOptions, progress: Progress) -> Outcome:
    """The outcome of an answer that was read as far as it is."""
    timings = progress.stop()
    code = progress.status_code
    if status_expected(code, options.expected_status_codes):
        return Outcome(Result.UP, None, code, timings.total_ms, timings)
    finding = reasons.of_status(code)
    return Outcome(
        finding.result, finding.reason, code, timings.total_ms, timings, finding.evidence
    )


def _failed(finding: Finding, progress: Progress) -> Outcome:
    """The outcome of a check without a complete final answer."""
    return Outcome(
        finding.result,
        finding.reason,
        progress.status_code,
        None,
        progress.stop(),
        finding.evidence,
    )
