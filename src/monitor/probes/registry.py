"""All check kinds. A new one is a file of its own, its options and a line here."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from typing import Any

from msgspec import Struct

from monitor.domain.outcome import Outcome, Reason, Result, printable
from monitor.probes.contract import Prober, ProbeSettings
from monitor.probes.http.prober import HttpProber
from monitor.resources.check_options import kind_of

Check = Callable[[Any, float, bool, int | None], Coroutine[Any, Any, Outcome]]


def _http(settings: ProbeSettings) -> HttpProber:
    return HttpProber(
        policy=settings.policy,
        dns_servers=settings.dns_servers,
        concurrency=settings.concurrency,
        known_chains=settings.known_chains,
        handshakes=settings.handshakes,
    )


KINDS: Mapping[str, Callable[[ProbeSettings], Prober[Any]]] = {
    "http": _http,
}
"""How to open the prober of a kind."""


class Probers:
    """The probers of all kinds, as one. One per event loop; made inside it."""

    def __init__(
        self,
        settings: ProbeSettings,
        kinds: Mapping[str, Callable[[ProbeSettings], Prober[Any]]] = KINDS,
    ) -> None:
        self._by_kind = {kind: opener(settings) for kind, opener in kinds.items()}
        self._check_of: dict[type, Check] = {}

    @property
    def under_way(self) -> int:
        """How many checks are being made now, of all kinds."""
        return sum(prober.under_way for prober in self._by_kind.values())

    @property
    def limit(self) -> int:
        """How many checks of all kinds may be under way at once."""
        return sum(prober.limit for prober in self._by_kind.values())

    def check(
        self,
        options: Struct,
        begin_by_s: float = math.inf,
        in_doubt: bool = False,
        slot_s: int | None = None,
    ) -> Coroutine[Any, Any, Outcome]:
        """See ``Prober.check``. Of a kind that is not known here, nothing is measured."""
        check = self._check_of.get(type(options)) or self._look_up(options)
        return check(options, begin_by_s, in_doubt, slot_s)

    async def close(self) -> None:
        """Close all probers, even where one fails to."""
        async with AsyncExitStack() as stack:
            for prober in self._by_kind.values():
                stack.push_async_callback(prober.close)

    def _look_up(self, options: Struct) -> Check:
        prober = self._by_kind.get(kind_of(options))
        if prober is None:
            return _unsupported
        return self._check_of.setdefault(type(options), prober.check)


async def _unsupported(
    options: Struct, _begin_by_s: float, _in_doubt: bool, _slot_s: int | None
) -> Outcome:
    evidence = printable(f"this worker does not know the check kind {kind_of(options)}")
    return Outcome(Result.NOT_MEASURED, Reason.UNSUPPORTED_KIND, evidence=evidence)
