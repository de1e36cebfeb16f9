"""When Python looks for garbage: rarely, in processes that serve."""

from __future__ import annotations

import gc


def collect_rarely() -> None:
    """To be called once all is imported and before the work begins.

    Checks and requests leave few cycles behind, and looking for them after every 700 objects was
    a quarter of a worker's time and the longest hold-ups of the API (docs/performance.md). What
    was loaded until now is never looked at again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
