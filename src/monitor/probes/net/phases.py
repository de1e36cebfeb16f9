"""The current phase of a check and the time spent in each: the stopwatch of one check."""

from __future__ import annotations

from enum import IntEnum
from time import perf_counter, time

from monitor.domain.outcome import Timings


class Phase(IntEnum):
    """What a check is doing. The values are positions in the stopwatch; IDLE is not reported."""

    DNS = 0
    CONNECT = 1
    TLS = 2
    WAIT = 3
    TRANSFER = 4
    IDLE = 5


class Progress:
    """A running check: its deadline, its phase, its peer, and the time spent so far.

    ``deadline_s`` is on the event loop's clock, ``timeout_s`` after the check began. ``host`` is
    the name being checked, ``peer`` the address and port last tried, both for evidence.
    ``server_name`` is the name that the server is asked for in a TLS handshake, and that its
    certificate must hold. ``status_code`` is that of the last response head on the current hop,
    0 before. ``began_at_s`` is in Unix seconds.
    """

    __slots__ = (
        "_since_s",
        "_spent_s",
        "began_at_s",
        "deadline_s",
        "host",
        "peer",
        "phase",
        "server_name",
        "status_code",
        "timeout_s",
    )

    def __init__(self, deadline_s: float, timeout_s: float = 0.0) -> None:
        self.deadline_s = deadline_s
        self.timeout_s = timeout_s
        self.began_at_s = time()
        self.phase = Phase.IDLE
        self.host = ""
        self.peer = ""
        self.server_name = ""
        self.status_code = 0
        self._since_s = perf_counter()
        self._spent_s = [0.0] * len(Phase)

    @property
    def address(self) -> str:
        """The address last tried on the current hop; empty before there is one."""
        return self.peer.partition(" ")[0]

    def enter(self, phase: Phase) -> None:
        """Add the time since the last call to the phase that ends, and start the next."""
        now_s = perf_counter()
        self._spent_s[self.phase] += now_s - self._since_s
        self._since_s = now_s
        self.phase = phase

    def stop(self) -> Timings:
        """Stop the watch; returns the time spent in each phase, summed over redirects."""
        self.enter(Phase.IDLE)
        dns_s, connect_s, tls_s, wait_s, transfer_s, _ = self._spent_s
        return Timings(
            dns_s * 1000, connect_s * 1000, tls_s * 1000, wait_s * 1000, transfer_s * 1000
        )
