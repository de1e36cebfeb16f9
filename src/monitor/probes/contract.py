"""The contract of probers: what each kind of check implements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, TypeVar

from msgspec import Struct, field

from monitor.domain.outcome import Outcome
from monitor.metrics.worker_stats import HandshakeCounts
from monitor.probes.net.address_policy import AddressPolicy
from monitor.probes.net.handshake import KNOWN_CHAINS

Options_contra = TypeVar("Options_contra", contravariant=True)


class ProbeSettings(Struct, frozen=True):
    """What a region's probers are opened with.

    ``policy``: addresses that checks may connect to. ``dns_servers``: if none, the host's own.
    ``concurrency``: concurrent checks of each prober. ``known_chains``: for how many websites
    chains of certificates are kept. ``handshakes`` counts those with TLS.
    """

    policy: AddressPolicy
    dns_servers: Sequence[str] = ()
    concurrency: int = 2000
    known_chains: int = KNOWN_CHAINS
    handshakes: HandshakeCounts = field(default_factory=HandshakeCounts)


class Prober(Protocol[Options_contra]):
    """Makes the checks of one kind. Opened on the event loop that it is used on."""

    @property
    def under_way(self) -> int:
        """How many checks are running, without those that wait for a slot."""
        ...

    @property
    def limit(self) -> int:
        """How many checks may run at once."""
        ...

    async def check(
        self,
        options: Options_contra,
        begin_by_s: float = math.inf,
        in_doubt: bool = False,
        slot_s: int | None = None,
    ) -> Outcome:
        """Make one attempt, within the options' own time-out.

        ``in_doubt``: the website was not up when it was last checked, so that the outcome may
        change a verdict: nothing counts that is known from earlier checks.
        ``slot_s``: the slot that it is made for. Checks of one slot may share what belongs to no
        website, such as the address of a name; checks without one share nothing.
        A check that gets its slot after ``begin_by_s`` on the loop's clock is not made
        (``region_busy``). Never raises, except on cancellation: every failure is an outcome, and
        one on our side is not measured. Evidence is printable and bounded.
        """
        ...

    async def close(self) -> None:
        """Release everything. Running and later checks end as not measured."""
        ...
