"""The outcome of a check, in closed vocabularies."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from uuid import UUID

from msgspec import Struct, field


class Reason(StrEnum):
    """Why a check did not find the website up. A closed set with stable values."""

    DNS_ERROR = "dns_error"
    DNS_TIMEOUT = "dns_timeout"
    BLOCKED_TARGET = "blocked_target"
    CONNECTION_REFUSED = "connection_refused"
    CONNECT_TIMEOUT = "connect_timeout"
    CONNECTION_RESET = "connection_reset"
    UNREACHABLE = "unreachable"
    TLS_EXPIRED = "tls_expired"
    TLS_HOSTNAME = "tls_hostname"
    TLS_UNTRUSTED = "tls_untrusted"
    TLS_TIMEOUT = "tls_timeout"
    TLS_ERROR = "tls_error"
    HTTP_STATUS = "http_status"
    RESPONSE_TIMEOUT = "response_timeout"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    INVALID_REDIRECT = "invalid_redirect"
    INVALID_RESPONSE = "invalid_response"
    INTERNAL_ERROR = "internal_error"
    REGION_OFFLINE = "region_offline"
    SECRETS_UNREADABLE = "secrets_unreadable"
    REGION_BUSY = "region_busy"
    UNSUPPORTED_KIND = "unsupported_kind"


REASON_CODES: tuple[Reason, ...] = tuple(Reason)
"""Position = code of a reason in packed storage. Append only."""

NETWORK_REASONS = frozenset(
    {
        Reason.DNS_ERROR,
        Reason.DNS_TIMEOUT,
        Reason.CONNECT_TIMEOUT,
        Reason.CONNECTION_RESET,
        Reason.UNREACHABLE,
        Reason.TLS_TIMEOUT,
        Reason.RESPONSE_TIMEOUT,
    }
)
"""Reasons that a region without a network would also report."""


class Result(IntEnum):
    """Up, down, or not measured: the check tells nothing about the website."""

    NOT_MEASURED = 0
    UP = 1
    DOWN = 2


class CheckResult(StrEnum):
    """The same in words."""

    UP = "up"
    DOWN = "down"
    NOT_MEASURED = "not_measured"


class Timings(Struct):
    """Milliseconds spent in each phase, summed over redirects; 0.0 where a phase did not happen.

    dns: name to address; connect: TCP; tls: handshake; wait: request sent to first byte of the
    response; transfer: first byte to the end of what is read of the body.

    ``dns_shared``: an address was looked up by another check of the same slot, for which dns has no
    time.
    """

    dns_ms: float = 0.0
    connect_ms: float = 0.0
    tls_ms: float = 0.0
    wait_ms: float = 0.0
    transfer_ms: float = 0.0
    dns_shared: bool = False

    @property
    def total_ms(self) -> float:
        return self.dns_ms + self.connect_ms + self.tls_ms + self.wait_ms + self.transfer_ms


class Outcome(Struct, frozen=True):
    """The outcome of one check. Without a response ``status_code`` is 0, ``response_ms`` None.

    ``evidence`` is at most 200 printable characters, for a person. ``address``: where a check that
    failed was last connected, or was connecting, to; empty where there was none. ``began_at_s``: in
    Unix seconds; 0.0 where the check was not made.
    """

    result: Result
    reason: Reason | None = None
    status_code: int = 0
    response_ms: float | None = None
    timings: Timings = field(default_factory=Timings)
    evidence: str = ""
    address: str = ""
    began_at_s: float = 0.0


LATE_START_S = 1.0
"""A check that began this much after its slot says when it did. For all others the slot says it."""


class Tick(Struct, frozen=True, omit_defaults=True):
    """An outcome as one point of the time series; its key is (website, region, slot).

    ``out_of_turn``: it fills no slot of the website's schedule. ``address``: that of a check that
    found the website down. ``began_at_s``: where it began later than ``LATE_START_S`` after its
    slot. So the tick of an ordinary check has neither.
    """

    website_id: UUID
    region: str
    slot_s: int
    up: bool
    reason: Reason | None
    status_code: int
    response_ms: float | None
    timings: Timings
    out_of_turn: bool = False
    address: str = ""
    began_at_s: float | None = None


def tick_of(
    website_id: UUID, region: str, slot_s: int, outcome: Outcome, *, out_of_turn: bool = False
) -> Tick | None:
    """The point to store, or None where nothing was measured: that leaves a gap."""
    if outcome.result is Result.NOT_MEASURED:
        return None
    return Tick(
        website_id,
        region,
        slot_s,
        outcome.result is Result.UP,
        outcome.reason,
        outcome.status_code,
        outcome.response_ms,
        outcome.timings,
        out_of_turn,
        outcome.address,
        outcome.began_at_s if outcome.began_at_s > slot_s + LATE_START_S else None,
    )


def printable(text: str, limit: int = 200) -> str:
    """Untrusted text made safe to log, store and mail: one line, printable, bounded."""
    head = text[: limit * 2]
    clean = "".join(c if c.isprintable() else " " for c in head)
    return " ".join(clean.split())[:limit]
