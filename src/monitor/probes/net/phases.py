"""The current phase of a check and the time spent in each: the stopwatch of one check."""

from __future__ import annotations

from collections.abc import Hashable
from enum import IntEnum
from time import perf_counter, time

from monitor.domain.outcome import Timings
from monitor.probes.net.chains import Chain
from monitor.probes.net.deadlines import Group
from monitor.probes.net.handshake import Handshake


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

    ``deadline_s`` is on the event loop's clock, ``timeout_s`` after the check began, which was at
    ``began_at_s`` (Unix), and ``group`` watches it. ``host`` is the name being checked; ``address``
    and ``peer``, which adds the port, what was last connected to on the current hop, for evidence.
    ``server_name`` is the name that the server is asked for in a TLS handshake, and that its
    certificate must hold; ``chain`` what the last server showed, believed or not. ``handshakes``
    are those whose chain is remembered or known, and ``discarded`` is whether one of them was
    discarded. ``slot`` is the same for checks that may share what they look up. ``status_code`` is
    that of the last response head on the current hop, 0 before.
    """

    __slots__ = (
        "_attempt_s",
        "_dns_shared",
        "_looked_up",
        "_since_s",
        "_spent_s",
        "address",
        "began_at_s",
        "chain",
        "deadline_s",
        "discarded",
        "group",
        "handshakes",
        "host",
        "peer",
        "phase",
        "server_name",
        "slot",
        "status_code",
        "timeout_s",
    )

    def __init__(self, deadline_s: float, timeout_s: float = 0.0) -> None:
        self.deadline_s = deadline_s
        self.timeout_s = timeout_s
        self.began_at_s = time()
        self.phase = Phase.IDLE
        self.host = ""
        self.address = ""
        self.peer = ""
        self.server_name = ""
        self.chain: Chain = ()
        self.group: Group | None = None
        self.handshakes: list[Handshake] = []
        self.discarded = False
        self.status_code = 0
        self.slot: Hashable = None
        self._looked_up: tuple[str, ...] = ()
        self._dns_shared = False
        self._since_s = perf_counter()
        self._attempt_s = self._since_s
        self._spent_s = [0.0] * len(Phase)

    def enter(self, phase: Phase) -> None:
        """Add the time since the last call to the phase that ends, and start the next."""
        now_s = perf_counter()
        self._spent_s[self.phase] += now_s - self._since_s
        self._since_s = now_s
        self.phase = phase

    def looked_up(self, *, shared: bool) -> None:
        """The phase DNS has an answer for the host. If it is another check's, this one has taken no
        time for it, however long it waited."""
        if not shared:
            self._looked_up = (*self._looked_up, self.host)
            return
        self._since_s, self.phase = perf_counter(), Phase.IDLE
        self._dns_shared = self._dns_shared or self.host not in self._looked_up

    def connecting(self, address: str, port: int) -> None:
        """Enter the phase CONNECT, with a new attempt."""
        self.enter(Phase.CONNECT)
        self._attempt_s = self._since_s
        self.address = address
        self.peer = f"{address} port {port}"

    def discard_attempt(self) -> None:
        """Take back the time since ``connecting``, in the handshake that came of it, and move the
        deadline by as much. Whoever watches the deadline has to be told."""
        now_s = perf_counter()
        self._spent_s[Phase.CONNECT] -= self._since_s - self._attempt_s
        self._since_s = now_s
        self.phase = Phase.CONNECT
        self.deadline_s += now_s - self._attempt_s
        self.discarded = True

    def stop(self) -> Timings:
        """Stop the watch; returns the time spent in each phase, summed over redirects."""
        self.enter(Phase.IDLE)
        dns_s, connect_s, tls_s, wait_s, transfer_s, _ = self._spent_s
        return Timings(
            dns_s * 1000,
            connect_s * 1000,
            tls_s * 1000,
            wait_s * 1000,
            transfer_s * 1000,
            self._dns_shared,
        )
