"""What `make bench-million` measures: read from the environment."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from bench.options import Options, number, store

REGION = "region-1"
FLAT_INTERVAL_S = 30
_FEW, _MINUTES_OF_FEW, _MINUTES = 5000, 8, 2


@dataclass(frozen=True)
class Wanted:
    """``flat``: the smaller numbers of websites to compare with. ``failing``: websites that fail
    at once. ``seeded``: websites with 30 days of roll-ups. ``api_per_s``, ``api_s``: the load on
    the API and how long it lasts. ``over_api``: the websites are imported over the API, not put
    straight into Postgres."""

    sites: int
    interval_s: int
    cycles: int
    processes: int
    threads: int
    flat: tuple[int, ...]
    failing: int
    seeded: int
    api_per_s: int
    api_s: int
    over_api: bool

    def large(self) -> Options:
        """The measurement of all websites."""
        return Options(
            sites=self.sites,
            regions=(REGION,),
            interval_s=self.interval_s,
            store="influx",
            https=False,
            processes=self.processes,
            flaky=self.failing,
            threads=self.threads,
            yardstick=True,
        )

    def small(self, sites: int) -> Options:
        """One to compare it with: at the shortest interval, as there is little to measure."""
        return Options(
            sites=sites,
            regions=(REGION,),
            interval_s=FLAT_INTERVAL_S,
            store="influx",
            https=False,
            processes=self.processes,
            threads=self.threads,
            influx_cold_s=600,
            yardstick=True,
        )

    def plan(self) -> list[tuple[str, int]]:
        """The steps, and about how many seconds each takes."""
        k = -(-self.sites // 1000)
        flat = [
            (f"{n} websites", 50 + FLAT_INTERVAL_S + 2 * 60 * flat_minutes(n)) for n in self.flat
        ]
        return [
            *flat,
            ("servers, processes, idle", 80),
            (f"import of {self.sites}", 10 + k // 4),
            (f"roll-ups of {self.seeded}", 5 + self.seeded // 40),
            ("warm-up", 60 + self.interval_s),
            (f"{self.cycles} cycles", self.cycles * self.interval_s),
            ("the API under load", self.api_s + 5),
            (f"{self.failing} websites fail", 45),
            ("other programs, counting", 40 + k // 8),
        ]


def flat_minutes(sites: int) -> int:
    """How long one of the smaller numbers is measured, and its idling before: at few checks a
    second a little more or less of that is much of a check."""
    return _MINUTES_OF_FEW if sites < _FEW else _MINUTES


def read(environ: Mapping[str, str]) -> Wanted:
    """The options. Raises ValueError, one sentence, for what cannot be measured."""
    if store(environ.get("STORE", "influx")) != "influx" or shutil.which("influxd") is None:
        raise ValueError("bench-million keeps its ticks in InfluxDB: leave STORE out.")
    sites = number(environ, "SITES", 1_000_000, least=1000)
    return Wanted(
        sites=sites,
        interval_s=number(environ, "INTERVAL", 180, least=30),
        cycles=number(environ, "CYCLES", 3),
        processes=number(environ, "PROCESSES", 2),
        threads=number(environ, "THREADS", 8),
        flat=_sizes(environ.get("FLAT", "1000,10000,100000"), sites),
        failing=min(number(environ, "FAILING", 10_000), sites),
        seeded=min(number(environ, "SEEDED", 2000), sites),
        api_per_s=number(environ, "API_PER_S", 30),
        api_s=number(environ, "API_S", 60, least=5),
        over_api=_over_api(environ.get("IMPORT", "")),
    )


def _over_api(text: str) -> bool:
    if text not in ("", "api", "copy"):
        raise ValueError(f"IMPORT must be api or copy (it is {text!r}).")
    return text != "copy"


def _sizes(text: str, sites: int) -> tuple[int, ...]:
    """Those below ``sites``, rising; FLAT=0 is none."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not all(word.isascii() and word.isdigit() for word in words):
        raise ValueError(f"FLAT must be whole numbers with commas between them (it is {text!r}).")
    return tuple(sorted({int(word) for word in words if 0 < int(word) < sites}))
