"""What an error means."""

from __future__ import annotations

import errno
import ssl

import pytest
from pycares import errno as ares

from monitor.domain.outcome import Reason, Result
from monitor.probes.net import reasons
from monitor.probes.net.phases import Phase, Progress

D, N = Result.DOWN, Result.NOT_MEASURED


@pytest.mark.parametrize(
    ("code", "result", "reason"),
    [
        (errno.ECONNREFUSED, D, Reason.CONNECTION_REFUSED),
        (errno.ECONNRESET, D, Reason.CONNECTION_RESET),
        (errno.EPIPE, D, Reason.CONNECTION_RESET),
        (errno.EHOSTUNREACH, D, Reason.UNREACHABLE),
        (errno.ETIMEDOUT, D, Reason.CONNECT_TIMEOUT),
        (None, D, Reason.CONNECT_TIMEOUT),
        (errno.ENETUNREACH, N, Reason.REGION_OFFLINE),
        (errno.EADDRNOTAVAIL, N, Reason.REGION_OFFLINE),
        (errno.ENOBUFS, N, Reason.REGION_OFFLINE),
        (errno.EACCES, N, Reason.REGION_OFFLINE),
        (errno.EPERM, N, Reason.REGION_OFFLINE),
        (errno.EMFILE, N, Reason.INTERNAL_ERROR),
        (errno.ENFILE, N, Reason.INTERNAL_ERROR),
        (errno.EINVAL, N, Reason.INTERNAL_ERROR),
    ],
)
def test_an_error_while_connecting(code, result, reason):
    error = TimeoutError() if code is None else OSError(code, "text of the system")
    found = reasons.of_os_error(error, Phase.CONNECT, "192.0.2.7 port 443")

    assert (found.result, found.reason) == (result, reason)
    assert "192.0.2.7 port 443" in found.evidence


@pytest.mark.parametrize(
    ("phase", "reason"),
    [(Phase.TLS, Reason.TLS_TIMEOUT), (Phase.WAIT, Reason.RESPONSE_TIMEOUT)],
)
def test_a_time_out_of_the_kernel_is_named_after_its_phase(phase, reason):
    error = OSError(errno.ETIMEDOUT, "x")
    assert reasons.of_os_error(error, phase, "x").reason is reason


@pytest.mark.parametrize(
    ("code", "result", "reason"),
    [
        (ares.ARES_ENOTFOUND, D, Reason.DNS_ERROR),
        (ares.ARES_ENODATA, D, Reason.DNS_ERROR),
        (ares.ARES_ESERVFAIL, D, Reason.DNS_ERROR),
        (ares.ARES_EBADNAME, D, Reason.DNS_ERROR),
        (ares.ARES_ETIMEOUT, D, Reason.DNS_TIMEOUT),
        (ares.ARES_ECONNREFUSED, N, Reason.REGION_OFFLINE),
        (ares.ARES_ENOMEM, N, Reason.INTERNAL_ERROR),
        (ares.ARES_EFILE, N, Reason.INTERNAL_ERROR),
        (ares.ARES_ECANCELLED, N, Reason.INTERNAL_ERROR),
    ],
)
def test_an_error_of_the_dns(code, result, reason):
    found = reasons.of_dns_error(code, "shop.example")
    assert (found.result, found.reason) == (result, reason)


def verification_error(code):
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, "as OpenSSL puts it"
    return error


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (10, Reason.TLS_EXPIRED),
        (9, Reason.TLS_EXPIRED),
        (62, Reason.TLS_HOSTNAME),
        (64, Reason.TLS_HOSTNAME),
        (18, Reason.TLS_UNTRUSTED),
        (19, Reason.TLS_UNTRUSTED),
        (20, Reason.TLS_UNTRUSTED),
        (21, Reason.TLS_UNTRUSTED),
        (23, Reason.TLS_UNTRUSTED),
    ],
)
def test_certificate_errors(code, reason):
    progress = Progress(0)
    progress.host, progress.server_name = "192.0.2.7", "shop.example"
    found = reasons.of_tls_error(verification_error(code), progress)

    assert (found.result, found.reason) == (D, reason)
    assert "shop.example" in found.evidence


def test_a_failure_of_the_website_outweighs_one_of_ours():
    down = reasons.down(Reason.CONNECTION_REFUSED, "a")
    later = reasons.down(Reason.UNREACHABLE, "b")
    ours = reasons.not_measured(Reason.REGION_OFFLINE, "c")

    assert reasons.more_conclusive(None, ours) is ours
    assert reasons.more_conclusive(down, ours) is down
    assert reasons.more_conclusive(ours, down) is down
    assert reasons.more_conclusive(down, later) is later


def test_every_phase_that_can_wait_has_a_reason_for_the_deadline():
    for phase in Phase:
        progress = Progress(0)
        progress.enter(phase)
        found = reasons.of_deadline(progress, 7)
        assert found.result is D
        assert found.evidence.startswith("no answer within 7 s (")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (None, Reason.CONNECTION_RESET),
        (ConnectionResetError(errno.ECONNRESET, "x"), Reason.CONNECTION_RESET),
        (ConnectionError("no number"), Reason.CONNECTION_RESET),
        (TimeoutError(errno.ETIMEDOUT, "x"), Reason.RESPONSE_TIMEOUT),
        (ssl.SSLError(1, "bad record mac"), Reason.TLS_ERROR),
    ],
)
@pytest.mark.parametrize("begun", [True, False])
def test_a_connection_that_ended_before_its_response(error, reason, begun):
    found = reasons.of_connection_lost(error, Progress(0), begun=begun)
    assert (found.result, found.reason) == (D, reason)


def test_evidence_is_one_bounded_line():
    found = reasons.down(Reason.DNS_ERROR, "a\r\nb\x1b" + "x" * 500)
    assert found.evidence.startswith("a b x")
    assert len(found.evidence) == 200
