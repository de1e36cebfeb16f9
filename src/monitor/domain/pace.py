"""Whether a transfer moves fast enough to keep its place. Times are monotonic seconds."""

from __future__ import annotations

from msgspec import Struct


class TransferRate(Struct, frozen=True):
    """The bytes that must move in each window of the time that the client has for them."""

    min_bytes: int = 60 * 1024
    window_s: float = 60.0

    def __str__(self) -> str:
        return f"{self.min_bytes / 1024:g} KiB in {self.window_s:g} s"


class Pace:
    """Counts what moves. Time in which the client has nothing to do does not count."""

    def __init__(self, rate: TransferRate) -> None:
        self._rate = rate
        self._moved = 0
        self._spent_s = 0.0
        self._since_s: float | None = None

    def begin(self, now_s: float) -> None:
        """From now on the client has to act: to send the next block, or to read it."""
        self._since_s = now_s

    def end(self, now_s: float, moved: int) -> None:
        """It has acted: so many bytes moved."""
        self._spent_s, self._since_s = self._spent(now_s), None
        self._moved += moved
        if self._spent_s >= self._rate.window_s and self._moved >= self._rate.min_bytes:
            self._spent_s, self._moved = self._spent_s % self._rate.window_s, 0

    def patience_s(self, now_s: float) -> float:
        """How long nothing may move from now on until the transfer is too slow."""
        left_s = self._rate.window_s - self._spent(now_s)
        if self._moved >= self._rate.min_bytes:
            left_s += self._rate.window_s
        return max(left_s, 0.0)

    def is_too_slow(self, now_s: float) -> bool:
        """Whether too little moved in a whole window."""
        return self.patience_s(now_s) <= 0

    def _spent(self, now_s: float) -> float:
        return self._spent_s + (0.0 if self._since_s is None else now_s - self._since_s)
