"""Maps errors to findings: result, reason, and a line of evidence for a person.

Evidence consists of our own words, addresses and host names. Nothing that a website sent is
quoted: a response may echo the request, and with it the secrets in its headers.
"""

from __future__ import annotations

import errno
import os
import ssl
from http.client import responses

from msgspec import Struct
from pycares import errno as ares

from monitor.domain.errors import MonitorError
from monitor.domain.outcome import Reason, Result, printable
from monitor.probes.net.certificates import HOSTNAME_MISMATCH, IP_ADDRESS_MISMATCH
from monitor.probes.net.phases import Phase, Progress
from monitor.probes.net.tls import NamesNoHost


class Finding(Struct, frozen=True):
    """What a check found instead of the website being up."""

    result: Result
    reason: Reason
    evidence: str


class CheckFailed(MonitorError):
    """Ends a check from within; ``finding`` says how."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.evidence)
        self.finding = finding


def down(reason: Reason, evidence: str) -> Finding:
    """The website is down."""
    return Finding(Result.DOWN, reason, printable(evidence))


def not_measured(reason: Reason, evidence: str) -> Finding:
    """The failure is on our side; nothing is known about the website."""
    return Finding(Result.NOT_MEASURED, reason, printable(evidence))


def more_conclusive(earlier: Finding | None, later: Finding) -> Finding:
    """The later of two addresses' failures, unless only the earlier is about the website."""
    if earlier and earlier.result is Result.DOWN and later.result is Result.NOT_MEASURED:
        return earlier
    return later


_DNS_ANSWERS = {
    ares.ARES_ENOTFOUND: "there is no such name",
    ares.ARES_ENODATA: "the name has no address",
    ares.ARES_ESERVFAIL: "the DNS server failed (SERVFAIL)",
    ares.ARES_EREFUSED: "the DNS server refused the query (REFUSED)",
    ares.ARES_EBADNAME: "this is not a valid name",
    ares.ARES_EBADRESP: "the DNS answer is malformed",
    ares.ARES_EFORMERR: "the DNS server does not understand the query (FORMERR)",
    ares.ARES_ENOTIMP: "the DNS server does not support the query (NOTIMP)",
}


def of_dns_error(code: int, host: str) -> Finding:
    """Maps an error code of c-ares."""
    if code in _DNS_ANSWERS:
        return down(Reason.DNS_ERROR, f"{host}: {_DNS_ANSWERS[code]}")
    if code == ares.ARES_ETIMEOUT:
        return down(Reason.DNS_TIMEOUT, f"{host}: no DNS server answered")
    if code == ares.ARES_ECONNREFUSED:
        return not_measured(Reason.REGION_OFFLINE, "no DNS server can be reached")
    return not_measured(
        Reason.INTERNAL_ERROR, f"DNS lookup failed in this region: {ares.strerror(code)!s}"
    )


_REMOTE = {
    errno.ECONNREFUSED: (Reason.CONNECTION_REFUSED, "connection refused by"),
    errno.ECONNRESET: (Reason.CONNECTION_RESET, "connection reset by"),
    errno.ECONNABORTED: (Reason.CONNECTION_RESET, "connection aborted by"),
    errno.EPIPE: (Reason.CONNECTION_RESET, "connection closed by"),
    errno.EHOSTUNREACH: (Reason.UNREACHABLE, "no route to host"),
    errno.EHOSTDOWN: (Reason.UNREACHABLE, "host is down:"),
}
_LOCAL = {
    errno.ENETUNREACH: "this region has no route to the network of",
    errno.ENETDOWN: "this region's network is down on the way to",
    errno.EADDRNOTAVAIL: "this region has no local address or port left for",
    errno.EAFNOSUPPORT: "this region does not support the address family of",
    errno.ENOBUFS: "this region has no network buffers left for",
    errno.EACCES: "this region's firewall forbids connecting to",
    errno.EPERM: "this region's firewall forbids connecting to",
}
_TIMEOUTS = {
    Phase.CONNECT: (Reason.CONNECT_TIMEOUT, "timed out connecting to"),
    Phase.TLS: (Reason.TLS_TIMEOUT, "TLS handshake timed out with"),
}


def of_os_error(error: OSError, phase: Phase, peer: str) -> Finding:
    """Maps a socket error in ``phase`` with ``peer``. No errno means our own timeout."""
    code = error.errno
    if code in _REMOTE:
        reason, text = _REMOTE[code]
        return down(reason, f"{text} {peer}")
    if code in _LOCAL:
        return not_measured(Reason.REGION_OFFLINE, f"{_LOCAL[code]} {peer}")
    if code is None or code == errno.ETIMEDOUT:
        reason, text = _TIMEOUTS.get(phase, (Reason.RESPONSE_TIMEOUT, "no more data from"))
        return down(reason, f"{text} {peer}")
    return not_measured(Reason.INTERNAL_ERROR, f"{os.strerror(code)} in this region, with {peer}")


_EXPIRED = {10: "certificate has expired", 9: "certificate is not valid yet"}
_WRONG_NAME = frozenset({HOSTNAME_MISMATCH, IP_ADDRESS_MISMATCH})


def of_tls_error(error: OSError, progress: Progress) -> Finding:
    """Maps the error that ended a handshake."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _of_certificate(error, progress.server_name)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionError):
        text = f"connection closed by {progress.peer} during the TLS handshake"
        return down(Reason.CONNECTION_RESET, text)
    if isinstance(error, ssl.SSLError):
        why = (getattr(error, "reason", None) or "unknown error").lower().replace("_", " ")
        return down(Reason.TLS_ERROR, f"TLS handshake with {progress.peer} failed: {why}")
    return of_os_error(error, Phase.TLS, progress.peer)


def _of_certificate(error: ssl.SSLCertVerificationError, host: str) -> Finding:
    if error.verify_code in _EXPIRED:
        return down(Reason.TLS_EXPIRED, f"{_EXPIRED[error.verify_code]} ({host})")
    if error.verify_code in _WRONG_NAME:
        nameless = isinstance(error, NamesNoHost)
        why = ": it names no host (it has no subjectAltName)" if nameless else ""
        return down(Reason.TLS_HOSTNAME, f"certificate is not valid for {host}{why}")
    text = f"certificate of {host} is not trusted: {error.verify_message}"
    return down(Reason.TLS_UNTRUSTED, text)


def of_connection_lost(error: Exception | None, progress: Progress, *, begun: bool) -> Finding:
    """Maps a connection that ended before the response did. ``begun``: the head had arrived.

    None, or an error without errno, means that the peer closed the connection.
    """
    if isinstance(error, ssl.SSLError):
        return of_tls_error(error, progress)
    if isinstance(error, OSError) and error.errno is not None:
        return of_os_error(error, progress.phase, progress.peer)
    lacks = "before the end of the answer" if begun else "without a complete answer"
    return down(Reason.CONNECTION_RESET, f"connection closed by {progress.peer} {lacks}")


_DEADLINES = {
    Phase.DNS: (Reason.DNS_TIMEOUT, "looking up {host}"),
    Phase.CONNECT: (Reason.CONNECT_TIMEOUT, "connecting to {peer}"),
    Phase.TLS: (Reason.TLS_TIMEOUT, "TLS handshake with {peer}"),
    Phase.WAIT: (Reason.RESPONSE_TIMEOUT, "waiting for the response"),
    Phase.TRANSFER: (Reason.RESPONSE_TIMEOUT, "reading the response"),
    Phase.IDLE: (Reason.RESPONSE_TIMEOUT, "reading the response"),
}


def of_deadline(progress: Progress, timeout_s: int) -> Finding:
    """Maps an expired deadline; the phase decides."""
    reason, doing = _DEADLINES[progress.phase]
    doing = doing.format(host=progress.host, peer=progress.peer)
    return down(reason, f"no answer within {timeout_s} s ({doing})")


def of_status(code: int) -> Finding:
    """Maps an unexpected status code. The phrase is the standard's, not the server's."""
    return down(Reason.HTTP_STATUS, f"HTTP {code} {responses.get(code, '')}")
