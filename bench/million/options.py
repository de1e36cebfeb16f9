"""What `make bench-million` measures: read from the environment."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from bench.options import Options, number, store

from monitor.resources.http_options import MAX_CHECK_FREQUENCY_S

REGION = "region-1"
FEWEST_INTERVAL_S = 30
HTTPS_SITES = 9_000
_MOST_FLAT_MINUTES = 20
"""Between two roll-ups of an hour, of which the first may take half of it."""


@dataclass(frozen=True)
class Wanted:
    """``flat``: the smaller numbers of websites to compare with, side by side, for
    ``flat_minutes`` without a website and as many with checks. ``failing``: websites that fail
    at once. ``seeded``: websites with a year of history. ``api_per_s``, ``api_s``: the load on
    the API and how long it lasts. ``https``: HTTPS is measured, too, by itself. ``over_api``: the
    websites are imported over the API, not put
    straight into Postgres."""

    sites: int
    interval_s: int
    cycles: int
    processes: int
    threads: int
    flat: tuple[int, ...]
    flat_minutes: int
    failing: int
    seeded: int
    api_per_s: int
    api_s: int
    over_api: bool
    https: bool

    def large(self) -> Options:
        """The measurement of all websites."""
        return Options(
            sites=self.sites,
            regions=(REGION,),
            interval_s=self.interval_s,
            store="influx",
            chain=None,
            processes=self.processes,
            flaky=self.failing,
            threads=self.threads,
        )

    def over_tls(self) -> Options:
        """As many websites over HTTPS as one process is sure to be done with."""
        return Options(
            sites=HTTPS_SITES,
            regions=(REGION,),
            interval_s=FEWEST_INTERVAL_S,
            store="influx",
            chain="ec",
            processes=1,
        )

    @property
    def compared(self) -> tuple[int, ...]:
        """The numbers of websites that are measured side by side."""
        return (*self.flat, self.sites)

    def side_by_side(self, sites: int) -> Options:
        """One of them. All have as many checks a second as the fewest at the shortest interval."""
        return Options(
            sites=sites,
            regions=(REGION,),
            interval_s=FEWEST_INTERVAL_S * sites // self.flat[0],
            store="influx",
            chain=None,
            processes=self.processes,
            threads=self.threads,
            influx_lazy=True,
            batch_size=alike(self.flat[0]),
        )

    def plan(self) -> list[tuple[str, int]]:
        """The steps, and about how many seconds each takes."""
        k = -(-self.sites // 1000)
        flat_s = 180 + 2 * 60 * self.flat_minutes + k // 2
        return [
            *([("few and many websites side by side", flat_s)] if self.flat else []),
            ("servers, processes, idle", 80),
            (f"import of {self.sites}", 10 + k // 4),
            (f"a year of history of {self.seeded}", 5 + self.seeded // 20),
            ("warm-up", 60 + self.interval_s),
            (f"{self.cycles} cycles", self.cycles * self.interval_s),
            ("the API under load", 2 * (self.api_s + 5)),
            (f"{self.failing} websites fail", 45),
            ("other programs, counting", 40 + k // 8),
            *([(f"{HTTPS_SITES} over HTTPS", 190)] if self.https else []),
        ]


def alike(fewest: int) -> int:
    """The batch size with which all that are compared have the same batches, at the same seconds.

    A minute is two turns of the fewest and, give or take, as many websites of the others: a little
    more than fill so many batches of about 500, or theirs would be five now and then where those
    of the fewest are four. Stacks that are at work in the same second do more of it at once.
    """
    batches_a_turn = max(round(fewest / 500), 1)
    return int(fewest / (batches_a_turn - 1 / 3))


def read(environ: Mapping[str, str]) -> Wanted:
    """The options. Raises ValueError, one sentence, for what cannot be measured."""
    if store(environ.get("STORE", "influx")) != "influx" or shutil.which("influxd") is None:
        raise ValueError("bench-million keeps its ticks in InfluxDB: leave STORE out.")
    sites = number(environ, "SITES", 1_000_000, least=1000)
    flat = _sizes(environ.get("FLAT", "1000,10000,100000"), sites)
    flat_minutes = number(environ, "FLAT_MINUTES", 8, least=2)
    if flat_minutes > _MOST_FLAT_MINUTES:
        raise ValueError(f"FLAT_MINUTES must not be more than {_MOST_FLAT_MINUTES}.")
    return Wanted(
        sites=sites,
        interval_s=number(environ, "INTERVAL", 180, least=30),
        cycles=number(environ, "CYCLES", 3),
        processes=number(environ, "PROCESSES", 2),
        threads=number(environ, "THREADS", 8),
        flat_minutes=flat_minutes,
        flat=flat,
        failing=min(number(environ, "FAILING", 10_000), sites),
        seeded=min(number(environ, "SEEDED", 2000), sites),
        api_per_s=number(environ, "API_PER_S", 30),
        api_s=number(environ, "API_S", 60, least=5),
        over_api=_over_api(environ.get("IMPORT", "")),
        https=number(environ, "HTTPS", 1, least=0) != 0,
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
    found = tuple(sorted({int(word) for word in words if 0 < int(word) < sites}))
    if found and FEWEST_INTERVAL_S * sites > MAX_CHECK_FREQUENCY_S * found[0]:
        most = MAX_CHECK_FREQUENCY_S // FEWEST_INTERVAL_S
        raise ValueError(f"FLAT may not name a number of which SITES is more than {most} times.")
    return found
