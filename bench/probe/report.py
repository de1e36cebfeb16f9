"""What a comparison of probers came to: for machines, and in a few lines for people. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from .run import AGAINST, BLACKBOX, TREE, Compared


def result(compared: Compared) -> dict[str, Any]:
    """Microseconds of CPU a check; a ratio is that of the working tree to the other."""
    wanted = compared.wanted
    return {
        "against": wanted.against,
        "what": wanted.describe(),
        "openssl": compared.openssl,
        "us_by_turn": {name: [round(each, 1) for each in us] for name, us in _made(compared)},
        "us": {name: _spread(us) for name, us in _made(compared)},
        "ratio": {
            name: _spread(_ratios(compared.us[TREE], us), digits=4)
            | {"of_medians": round(_of_medians(compared.us, name), 4)}
            for name, us in _made(compared)
            if name != TREE
        },
    }


def lines(compared: Compared) -> list[str]:
    """For people; the ratios come last."""
    found = result(compared)
    head = f"{'CPU of one check, us':<28}{'median':>10}{'least':>10}{'most':>10}"
    rows = [
        f"{name:<28}{us['median']:>10.1f}{us['least']:>10.1f}{us['most']:>10.1f}"
        for name, us in found["us"].items()
    ]
    names = {AGAINST: f"against {compared.wanted.against}", BLACKBOX: f"to the {BLACKBOX}"}
    ratios = [
        f"{names[name]}: {each['of_medians']:.3f} x "
        f"(round by round {each['least']:.3f} to {each['most']:.3f})"
        for name, each in found["ratio"].items()
    ]
    return [f"{found['what']}; {found['openssl']}", "", head, *rows, "", *ratios]


def _made(compared: Compared) -> list[tuple[str, Sequence[float]]]:
    return [(name, us) for name, us in compared.us.items() if us]


def _spread(values: Sequence[float], digits: int = 1) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), digits),
        "least": round(min(values), digits),
        "most": round(max(values), digits),
    }


def _ratios(new: Sequence[float], old: Sequence[float]) -> list[float]:
    """Of neighbours: what slowed both down is in neither's favour."""
    return [a / b for a, b in zip(new, old, strict=True)]


def _of_medians(us: Mapping[str, Sequence[float]], name: str) -> float:
    return statistics.median(us[TREE]) / statistics.median(us[name])
