"""Checks of websites over HTTP and HTTPS."""

from __future__ import annotations

import asyncio
import math
import time
import traceback
from collections.abc import Container, Sequence
from contextlib import AsyncExitStack
from functools import partial

from monitor.domain.outcome import NETWORK_REASONS, Outcome, Reason, Result, Timings
from monitor.domain.status_codes import status_expected
from monitor.metrics.worker_stats import HandshakeCounts
from monitor.probes.http import request as request_bytes
from monitor.probes.http.exchange import Exchange
from monitor.probes.http.head import Head
from monitor.probes.http.redirects import (
    MAX_REDIRECTS,
    REDIRECT_STATUSES,
    Request,
    first_request,
    next_request,
    with_cookies,
)
from monitor.probes.http.server_name import server_name
from monitor.probes.http.target import Target
from monitor.probes.net import reasons, tls
from monitor.probes.net.address_policy import AddressPolicy
from monitor.probes.net.connector import Connector
from monitor.probes.net.deadlines import MAX_OVERRUN_S, Deadlines, timed_out
from monitor.probes.net.handshake import KNOWN_CHAINS, Handshake, Handshakes
from monitor.probes.net.phases import Progress
from monitor.probes.net.reasons import CheckFailed, Finding, down, not_measured
from monitor.probes.net.resolver import Resolver
from monitor.probes.net.trust_store import TrustStore
from monitor.resources.check_options import CheckOptions
from monitor.runtime.logging import get_logger

_TOO_LATE = Outcome(Result.NOT_MEASURED, Reason.REGION_BUSY)
_CANCELLED = Outcome(Result.NOT_MEASURED)
_CLOSED = not_measured(Reason.INTERNAL_ERROR, "the prober was closed during the check")
_STALLED = not_measured(Reason.REGION_BUSY, "the process stood still during the check")
_log = get_logger(__name__)


class HttpProber:
    """Checks websites over HTTP and HTTPS.

    One per event loop, created inside it. Owns the connector, the resolver, the TLS contexts and
    what is known of chains; close() releases them.
    """

    def __init__(
        self,
        *,
        policy: AddressPolicy,
        dns_servers: Sequence[str] = (),
        concurrency: int = 2000,
        trust: str | None = None,
        known_chains: int = KNOWN_CHAINS,
        handshakes: HandshakeCounts | None = None,
    ) -> None:
        """``trust``: authorities to trust instead of the system's, in PEM. ``known_chains``: for
        how many websites chains that were verified are kept; 0 verifies every handshake."""
        self._loop = asyncio.get_running_loop()
        self._concurrency = concurrency
        self._slots = asyncio.Semaphore(concurrency)
        self._deadlines = Deadlines(self._loop)
        self._store = TrustStore(self._trust_anew) if trust is None else None
        self._handshakes = Handshakes(trust, known_chains, handshakes or HandshakeCounts())
        self._resolver = Resolver(dns_servers)
        self._connector = Connector(self._resolver, policy, self._deadlines)
        self._closed = False

    @property
    def under_way(self) -> int:
        """How many checks are running."""
        return self._concurrency - self._slots._value

    @property
    def limit(self) -> int:
        """How many checks may have a slot at once."""
        return self._concurrency

    async def check(
        self,
        options: CheckOptions,
        begin_by_s: float = math.inf,
        in_doubt: bool = False,
        slot_s: int | None = None,
    ) -> Outcome:
        """One attempt to reach one website, redirects included, within its request_timeout.

        Waiting for a free slot counts neither towards the deadline nor in the timings. A check
        that gets its slot after ``begin_by_s`` on the loop's clock is not made. ``in_doubt``: every
        handshake is verified. ``slot_s``: checks of the same one share what they look up. Never
        raises, except when cancelled: every failure is an outcome, and one on our side is not
        measured.
        """
        await self._slots.acquire()
        try:
            if self._loop.time() > begin_by_s:
                return _TOO_LATE
            return await self._measured(options, in_doubt, slot_s)
        finally:
            self._slots.release()

    async def _measured(self, options: CheckOptions, in_doubt: bool, slot_s: int | None) -> Outcome:
        timeout_s = options.request_timeout
        progress = Progress(self._loop.time() + timeout_s, timeout_s)
        progress.slot = object() if slot_s is None else slot_s  # redirects to the same host share
        task = asyncio.current_task(self._loop)
        assert task is not None
        progress.group = self._deadlines.watch(progress.deadline_s, task)
        outcome = _CANCELLED
        try:
            outcome = await self._follow(options, progress, in_doubt)
        except CheckFailed as failed:
            outcome = self._failed(failed.finding, progress)
        except asyncio.CancelledError:
            if not timed_out(progress.group, task):
                raise
            outcome = self._failed(self._expired(progress, timeout_s), progress)
        except Exception as error:  # noqa: BLE001  # a check always has an outcome
            outcome = self._failed(self._finding_of(error), progress)
        finally:
            progress.group.tasks.discard(task)
            self._settle(options, progress, outcome.result)
        return outcome

    async def close(self) -> None:
        """Release everything. Shutdown reports running checks as not measured, never as down."""
        self._closed = True
        self._deadlines.expire_all()
        async with AsyncExitStack() as stack:
            if self._store is not None:
                stack.push_async_callback(self._store.close)
            stack.push_async_callback(self._resolver.close)

    def _trust_anew(self, contexts: tls.Contexts) -> None:
        self._handshakes.trust_anew(contexts)

    async def _follow(self, options: CheckOptions, progress: Progress, in_doubt: bool) -> Outcome:
        """Send the request and follow redirects until a response is final."""
        if self._closed:
            raise CheckFailed(_CLOSED)
        follows = REDIRECT_STATUSES if options.follow_redirects else ()
        request = first = first_request(options)
        for _ in range(MAX_REDIRECTS + 1):
            handshake = None
            if request.target.secure:
                handshake = self._handshake(request, first, options, progress, in_doubt)
            head = await self._send(request, handshake, progress, follows)
            if head.status not in follows:
                return _answered(options, progress)
            request = with_cookies(request, head.set_cookies(), time.time())
            request = next_request(request, head.status, head.location())
        text = f"more than {MAX_REDIRECTS} redirects"
        raise CheckFailed(down(Reason.TOO_MANY_REDIRECTS, text))

    async def _send(
        self,
        request: Request,
        handshake: Handshake | None,
        progress: Progress,
        head_only: Container[int],
    ) -> Head:
        """The head of the response to one request, after its body was read up to the limits."""
        target = request.target
        progress.status_code, progress.host = 0, target.host
        progress.address = progress.peer = ""
        make = partial(
            Exchange,
            self._loop,
            progress,
            request_bytes.encode(request),
            bodiless=request.method == "HEAD",
            head_only=head_only,
        )
        exchange = await self._connector.connect(target.port, handshake, make, progress)
        try:
            return await exchange.response()
        finally:
            exchange.close()

    def _handshake(
        self,
        request: Request,
        first: Request,
        options: CheckOptions,
        progress: Progress,
        in_doubt: bool,
    ) -> Handshake:
        """What the handshake accepts, and whose certificate it wants.

        What is known of other websites counts where nothing is asked for that they do not ask for.
        """
        target = request.target
        progress.server_name = name = server_name(request)
        verify, min_version = options.verify_ssl, options.tls_min_version
        if not verify or min_version not in tls.USUAL_VERSIONS or name != target.host:
            return self._handshakes.unusual(
                name.rstrip("."), verify=verify, min_version=min_version
            )
        handshake = self._handshakes.usual(
            options.url,
            name.rstrip("."),
            target.port,
            redirected=target is not first.target and not _same_server(target, first.target),
            in_doubt=in_doubt or progress.discarded,
        )
        progress.handshakes.append(handshake)
        return handshake

    def _expired(self, progress: Progress, timeout_s: int) -> Finding:
        return _CLOSED if self._closed else reasons.of_deadline(progress, timeout_s)

    def _failed(self, finding: Finding, progress: Progress) -> Outcome:
        """The outcome of a check without a complete final response."""
        finding = self._unless_stalled(finding, progress)
        return _outcome(finding, progress, progress.stop(), None)

    def _settle(self, options: CheckOptions, progress: Progress, result: Result) -> None:
        """Keep or forget the chains of a check. One that measured nothing changes nothing, unless
        it saw a chain change."""
        if result is Result.NOT_MEASURED and not progress.discarded:
            return
        if result is not Result.UP:
            self._handshakes.distrust(options.url)
        for handshake in progress.handshakes:
            handshake.settle(up=result is Result.UP)

    def _unless_stalled(self, finding: Finding, progress: Progress) -> Finding:
        """The finding, unless the process stalled and may have caused the failure itself."""
        group = progress.group
        assert group is not None
        over_s = self._loop.time() - progress.deadline_s
        if finding.reason in NETWORK_REASONS and (group.unreliable or over_s > MAX_OVERRUN_S):
            return _STALLED
        return finding

    def _finding_of(self, error: Exception) -> Finding:
        if self._closed:
            return _CLOSED
        # Where, not what: the text of an error may contain a request header.
        where = traceback.format_tb(error.__traceback__)[-3:]
        _log.error("probe.unforeseen", error=type(error).__name__, where=where)
        text = f"the check failed on our side ({type(error).__name__})"
        return not_measured(Reason.INTERNAL_ERROR, text)


def _answered(options: CheckOptions, progress: Progress) -> Outcome:
    """The outcome of a complete final response."""
    timings = progress.stop()
    code = progress.status_code
    if status_expected(code, options.expected_status_codes):
        began_at_s = progress.began_at_s
        return Outcome(Result.UP, None, code, timings.total_ms, timings, "", "", began_at_s)
    return _outcome(reasons.of_status(code), progress, timings, timings.total_ms)


def _outcome(
    finding: Finding, progress: Progress, timings: Timings, response_ms: float | None
) -> Outcome:
    return Outcome(
        finding.result,
        finding.reason,
        progress.status_code,
        response_ms,
        timings,
        finding.evidence,
        progress.address,
        progress.began_at_s,
    )


def _same_server(one: Target, other: Target) -> bool:
    return (one.secure, one.host, one.port) == (other.secure, other.host, other.port)
