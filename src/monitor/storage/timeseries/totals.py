"""Totals of one website and region. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.domain.series import Bucket

Key = tuple[str, str]
"""Website id and region."""

Sample = tuple[int, float | None, int | None]
"""One check: up, 0 or 1; the response time in ms; 1 if it was out of turn."""


class Totals:
    """Sums over ticks."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self._checks = 0
        self._up = 0
        self._out_of_turn = 0
        self._responses_ms: list[float] = []

    def add(self, checks: Sequence[Sample]) -> None:
        self._checks += len(checks)
        self._up += sum(up for up, _, _ in checks)
        self._responses_ms += [ms for _, ms, _ in checks if ms is not None]
        self._out_of_turn += [out_of_turn for _, _, out_of_turn in checks].count(1)

    def bucket(self, start_s: int) -> Bucket:
        """The totals as the bucket that starts at ``start_s``."""
        ordered = sorted(self._responses_ms)
        measured = len(ordered)
        return Bucket(
            region=self.key[1],
            start_s=start_s,
            checks=self._checks,
            up=self._up,
            measured=measured,
            mean_ms=sum(ordered) / measured if measured else None,
            p95_ms=ordered[p95_rank(measured) - 1] if measured else None,
            max_ms=ordered[-1] if measured else None,
            out_of_turn=self._out_of_turn,
        )


def p95_rank(measured: int) -> int:
    """The rank of the 95th percentile among this many sorted values; 1 is the lowest.

    0.95 n, rounded half up, as InfluxDB's PERCENTILE does, and so every store.
    """
    return (95 * measured + 50) // 100
