"""Pass or fail, line by line, of what the project promises at this size. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, nan
from typing import Any

_MIB = 2**20
_FLAT_WITHIN = 10
"""Per cent."""


@dataclass(frozen=True)
class Line:
    """One promise: the value must not exceed ``at_least``, and better not ``aim``.

    ``value`` None: not measured here, and ``note`` says why or where.
    """

    what: str
    value: float | None
    at_least: float
    aim: float | None = None
    unit: str = ""
    note: str = ""

    @property
    def passed(self) -> bool | None:
        return None if self.value is None else self.value <= self.at_least

    @property
    def aim_met(self) -> bool | None:
        return None if self.value is None or self.aim is None else self.value <= self.aim


def lines(found: Mapping[str, Any]) -> list[Line]:
    """The promises, with the figures of ``outcome.result``."""
    cpu, api, burst = found["cpu_us_per_check"], found["api"], found["burst"]
    idle = f"idle included; {found['marginal_us_per_check']:.0f} us without"
    no_import = "IMPORT=copy" if found["import_s"] is None else ""
    failed_s = max(burst["incidents_s"], burst["notifications_s"])
    confirmed = f"from the second check, {burst['confirmed_s']:.1f} s after the failure; "
    confirmed += f"half {burst['half_s']:.1f}, 99 % {burst['p99_s']:.1f}"
    return [
        Line("CPU per HTTP check", cpu["total"], 250, 200, "us", idle),
        Line("the same to blackbox_exporter", found["ratio_blackbox"], 0.5, 0.4, "x"),
        _https(found["over_https"]),
        Line("slots that were not run", found["missed_slots"], 0),
        Line("lag, p99", found["lag_p99_s"], 30, 5, "s"),
        flat_line(found["sizes"]),
        Line("Redis a website and region", found["redis_bytes_per_series"], 600, 350, "B"),
        _memory(found["worker_memory"]),
        Line("import over the API, projection ready", found["import_s"], 240, 90, "s", no_import),
        Line("full sync while checks run", found["sync_s"], 90, 30, "s"),
        _latency("GET /monitor?limit=100, p99", api["page"], 100, 30),
        _latency("GET /monitor/{id}?days=30, p99", api["series"], 150, 50),
        *_reports(found["reports"]),
        Line(f"{burst['websites']} fail: incidents, outbox", failed_s, 30, 10, "s", confirmed),
    ]


def flat_line(sizes: list[dict[str, Any]]) -> Line:
    """How much dearer or cheaper a check is with the most websites than with the fewest, without
    idling. Not judged where the error of that is larger than what is promised."""
    changes = [_change(sizes[0], more) for more in sizes[1:]]
    told = ", ".join(f"{each:+.0f} % +-{unsure:.0f} with {n}" for n, each, unsure in changes)
    value = None
    if not changes:
        told = "FLAT=0"
    elif changes[-1][2] > _FLAT_WITHIN:
        told = f"lost in the noise: {told}"
    else:
        value = abs(changes[-1][1])
    return Line("CPU per check, most against fewest", value, _FLAT_WITHIN, None, "%", told)


def _change(few: dict[str, Any], many: dict[str, Any]) -> tuple[int, float, float]:
    """(websites, per cent that a check differs from one among fewer, standard error of that)."""
    least = few["marginal_us_per_check"]
    if least <= 0:
        return many["sites"], nan, inf
    change = many["marginal_us_per_check"] / least - 1
    return many["sites"], 100 * change, 100 * many["error_us"] / least


def _https(found: Mapping[str, Any] | None) -> Line:
    what = "CPU per HTTPS check to blackbox_exporter"
    if found is None:
        return Line(what, None, 0.9, 0.6, "x", "HTTPS=0")
    total, missed = found["cpu_us_per_check"]["total"], found["missed_slots"]
    note = f"{total:.0f} us; {found['sites']} websites, {missed} slots not run"
    # Checks that a machine was too full to finish cost less, and mean nothing.
    return Line(what, None if missed else found["ratio_blackbox"], 0.9, 0.6, "x", note)


def _memory(memory: Mapping[str, Any]) -> Line:
    start, end = memory["start_rss"][0] / _MIB, memory["end_rss"][0] / _MIB
    note = f"the largest process's RSS; {start:.0f} when the cycles began"
    return Line("worker memory, a process", end, 400, 200, "MiB", note)


def _latency(what: str, kind: Mapping[str, Any], at_least: float, aim: float | None = None) -> Line:
    """Where answers were not the ones asked for, how fast they came would mean nothing."""
    value = None if kind["bad"] else kind["p99_ms"]
    return Line(what, value, at_least, aim, "ms", told_kind(kind))


def _reports(kinds: Mapping[str, Any]) -> list[Line]:
    return [
        _latency("a page with its uptimes, p99", kinds["uptime"], 100),
        *(
            _latency(f"the same, sort={sort}, p99", kinds[kind], 100)
            for kind, sort in (
                ("by_status", "status"),
                ("by_uptime", "uptime_30d"),
                ("by_p95", "p95_24h_ms"),
            )
        ),
        _latency("GET /websites/{id}/sla, 30 days, p99", kinds["sla_30"], 100),
        _latency("GET /websites/{id}/sla, 365 days, p99", kinds["sla_365"], 150),
    ]


def told_kind(kind: Mapping[str, Any]) -> str:
    """One kind of request in a few words."""
    if kind["bad"]:
        return f"{kind['bad']} of {kind['n']} failed: {kind['last_error'][:60]}"
    p50, p99, most = kind["p50_ms"], kind["p99_ms"], kind["max_ms"]
    return f"ms of {kind['n']}: p50 {p50:.0f}, p99 {p99:.0f}, most {most:.0f}"


def table(found: list[Line]) -> list[str]:
    """For people."""
    head = f"{'what':<44}{'measured':>12}{'at least':>10}{'aim':>7}  verdict"
    return [head, *map(row, found)]


def row(line: Line) -> str:
    """One line of the table."""
    value = "-" if line.value is None else f"{_short(line.value)} {line.unit}".strip()
    aim = "" if line.aim is None else _short(line.aim)
    verdict = {None: "-", True: "PASS", False: "FAIL"}[line.passed]
    if line.aim_met:
        verdict += ", aim met"
    note = f"  ({line.note})" if line.note else ""
    return f"{line.what:<44}{value:>12}{_short(line.at_least):>10}{aim:>7}  {verdict}{note}"


def _short(value: float) -> str:
    return f"{value:.2f}" if 0 < abs(value) < 1 else f"{value:.1f}".removesuffix(".0")
