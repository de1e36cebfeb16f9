"""The dependencies of checks from one region."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from monitor.domain.messages import Outgoing
from monitor.domain.outcome import Outcome
from monitor.metrics.worker_stats import Meter
from monitor.resources.check_options import CheckOptions
from monitor.services.checks.slow_checks import SlowChecks
from monitor.services.secrets.vault import Vault
from monitor.storage.redis.projection import Projection
from monitor.storage.redis.regions import Regions
from monitor.storage.redis.states import States
from monitor.storage.redis.tick_buffer import TickBuffer
from monitor.storage.timeseries.grouped import GroupedWrites

BATCH_WAIT_S = 2.0
"""How long a batch waits for its checks; slower ones are watched outside it."""


class Prober(Protocol):
    """Makes one check of any kind, unless it cannot start by ``begin_by_s`` on the loop's clock.

    ``in_doubt``: its outcome may change a verdict. ``slot_s``: checks of the same slot share what
    they look up. Never raises. The real one is
    ``monitor.probes.registry.Probers``.
    """

    def check(
        self,
        options: CheckOptions,
        begin_by_s: float = math.inf,
        in_doubt: bool = False,
        slot_s: int | None = None,
    ) -> Coroutine[Any, Any, Outcome]: ...


class Connectivity(Protocol):
    """Whether this region has a network, and had one for the last ``lasted_s`` seconds."""

    async def has_network(self, lasted_s: float = 0.0) -> bool: ...

    def refresh(self) -> None:
        """Start a probe of the network without waiting for it: checks hang."""


@dataclass(frozen=True, slots=True)
class RegionWorker:
    """One per worker process. ``now`` returns Unix seconds; ``send`` queues messages."""

    region: str
    projection: Projection
    states: States
    regions: Regions
    ticks: GroupedWrites
    buffer: TickBuffer
    prober: Prober
    connectivity: Connectivity
    slow_checks: SlowChecks
    send: Callable[[Sequence[Outgoing]], Awaitable[None]]
    now: Callable[[], float]
    batch_wait_s: float = BATCH_WAIT_S
    meter: Meter = field(default_factory=Meter)
    vault: Vault = field(default_factory=Vault)
