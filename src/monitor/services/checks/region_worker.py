"""What checking from one region needs."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from monitor.domain.messages import Outgoing
from monitor.domain.outcome import Outcome
from monitor.metrics.worker_stats import Meter
from monitor.resources.check_options import CheckOptions
from monitor.services.checks.slow_checks import Stragglers
from monitor.services.secrets.vault import Vault
from monitor.storage.redis.projection import Projection
from monitor.storage.redis.regions import Regions
from monitor.storage.redis.states import States
from monitor.storage.redis.tick_buffer import TickBuffer
from monitor.storage.timeseries.grouped import GroupedWrites

PATIENCE_S = 2.0
"""A batch waits this long for its checks; those that take longer are watched beside it."""


class Prober(Protocol):
    """Makes one check of any kind, unless it could not begin by ``begin_by_s`` of the loop's time.

    Never raises. ``monitor.probes.registry.Probers`` is the real one.
    """

    def check(
        self, options: CheckOptions, begin_by_s: float = math.inf
    ) -> Coroutine[Any, Any, Outcome]: ...


class Witness(Protocol):
    """Knows whether this region has, and had for ``lasted_s``, a network."""

    async def has_network(self, lasted_s: float = 0.0) -> bool: ...

    def glance(self) -> None:
        """Have a look without waiting for it: checks hang."""


@dataclass(frozen=True, slots=True)
class RegionWorker:
    """One per worker process. ``now`` gives Unix seconds; ``send`` queues messages."""

    region: str
    projection: Projection
    states: States
    regions: Regions
    ticks: GroupedWrites
    buffer: TickBuffer
    prober: Prober
    witness: Witness
    stragglers: Stragglers
    send: Callable[[Sequence[Outgoing]], Awaitable[None]]
    now: Callable[[], float]
    patience_s: float = PATIENCE_S
    meter: Meter = field(default_factory=Meter)
    vault: Vault = field(default_factory=Vault)
