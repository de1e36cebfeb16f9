"""What a comparison found: as one object for machines, in a few lines for people. Pure."""

from __future__ import annotations

import statistics
from typing import Any

from bench.watch import ours

from . import ratio
from .ratio import Ratio
from .run import Compared, Window
from .turns import COMMIT, TREE


def result(found: Compared) -> dict[str, Any]:
    """The comparison as JSON. Microseconds of CPU a check, seconds."""
    new, old = found.of(TREE), found.of(COMMIT)
    medians = _ratio(found)
    return {
        "commit": found.name,
        "load": found.comparison.load.describe(),
        "window_s": found.comparison.window_s,
        "windows": len(new),
        "ratio": round(medians.value, 4),
        "ratio_low": round(medians.low, 4),
        "ratio_high": round(medians.high, 4),
        "us_per_check": {"commit": round(medians.old, 1), "working_tree": round(medians.new, 1)},
        "us_per_check_by_process": {name: list(us) for name, us in _by_process(found).items()},
        "us_per_check_by_window": [
            {"side": w.turn.side, "at_s": w.turn.from_s, "us": round(w.us_per_check, 2)}
            for w in found.windows
        ],
        "missed_slots": {"commit": _missed(found, old), "working_tree": _missed(found, new)},
        "other_cores": round(found.other_cores, 3),
        "stolen_cores": round(found.stolen_cores, 3),
    }


def lines(found: Compared) -> list[str]:
    """For people; the ratio and the verdict come last."""
    medians, seconds = _ratio(found), found.comparison.window_s
    new, old = found.of(TREE), found.of(COMMIT)
    missed = f"{_missed(found, old)} at {found.name}, {_missed(found, new)} in the working tree"
    beside = f"{found.other_cores:.2f} cores with other work, {found.stolen_cores:.3f} stolen"
    return [
        f"{'CPU of one check, us':<28}{found.name:>14}{TREE:>14}",
        *(f"{name:<28}{was:>14.1f}{us:>14.1f}" for name, (was, us) in _by_process(found).items()),
        f"{'total':<28}{medians.old:>14.1f}{medians.new:>14.1f}",
        "",
        f"slots missed  {missed}",
        f"beside        {beside}",
        (
            f"ratio {medians.value:.3f} ±{medians.error:.3f} ({TREE} / {found.name}; "
            f"{medians.new:.1f} us against {medians.old:.1f} us a check, "
            f"{len(new) + len(old)} windows of {seconds} s)"
        ),
        ratio.verdict(medians, len(new)),
    ]


def _ratio(found: Compared) -> Ratio:
    return ratio.of_medians(
        [w.us_per_check for w in found.of(TREE)], [w.us_per_check for w in found.of(COMMIT)]
    )


def _by_process(found: Compared) -> dict[str, tuple[float, float]]:
    """(the commit's, the working tree's) median of each process. Medians do not add up."""
    old, new = found.of(COMMIT), found.of(TREE)
    names = filter(ours, old[0].cpu_us)
    return {name: (_median(old, name), _median(new, name)) for name in names}


def _median(windows: list[Window], name: str) -> float:
    return round(statistics.median(w.cpu_us[name] / w.checks for w in windows), 2)


def _missed(found: Compared, windows: list[Window]) -> int:
    return sum(found.comparison.checks_each - w.checks for w in windows)
