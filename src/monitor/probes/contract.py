"""What a prober of any check kind does, and what it is opened with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, TypeVar

from msgspec import Struct

from monitor.domain.outcome import Outcome
from monitor.probes.net.address_policy import AddressPolicy

Options_contra = TypeVar("Options_contra", contravariant=True)


class ProbeSettings(Struct, frozen=True):
    """What a region gives its probers.

    ``policy``: addresses that checks may visit. ``dns_servers``: none means the host's own.
    ``concurrency``: checks that each prober may have under way at once.
    """

    policy: AddressPolicy
    dns_servers: Sequence[str] = ()
    concurrency: int = 2000


class Prober(Protocol[Options_contra]):
    """Makes the checks of one kind. Opened on the event loop that it is used on."""

    @property
    def under_way(self) -> int:
        """How many checks are being made now; those that wait for a place are not among them."""
        ...

    @property
    def limit(self) -> int:
        """How many checks may be under way at once."""
        ...

    async def check(self, options: Options_contra, begin_by_s: float = math.inf) -> Outcome:
        """One attempt, within the options' own time-out.

        Waits for a place first. One that comes after ``begin_by_s``, in the loop's time, is too
        late: then nothing was measured (``region_busy``). Never raises but for cancellation:
        every failure is an outcome, and one of our own making says that nothing was measured.
        Evidence is printable and bounded.
        """
        ...

    async def close(self) -> None:
        """Give everything back. Checks under way, and later ones, end as not measured."""
        ...
