"""What is measured: read from the environment, where ``make bench SITES=...`` puts it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .certificates import CHAINS, Chain
from .targets import Served

Store = Literal["influx", "postgres"]

_CHECKS_PER_S = 2000
"""Without INTERVAL, no more than this is asked of the machine."""


@dataclass(frozen=True)
class Options:
    """``interval_s``: between two checks of a website. ``processes``: of each region's worker, each
    with ``threads``.

    ``chain``: of which kind the certificates of HTTPS are; None where nothing but HTTP is spoken.
    ``dns``: websites have names. ``mixed``: see ``bench.mix``.
    ``flaky``: how many websites can be made to fail.
    ``influx_lazy``: InfluxDB compresses and collects garbage only where it must.
    ``influx_compacts``: it compresses soon after the last write, so that bytes can be counted.
    ``batch_size``: MONITOR_BATCH_SIZE.
    """

    sites: int
    regions: tuple[str, ...]
    interval_s: int
    store: Store
    chain: Chain | None
    processes: int
    dns: bool = False
    mixed: bool = False
    flaky: int = 0
    threads: int = 8
    influx_lazy: bool = False
    influx_compacts: bool = True
    batch_size: int = 500

    @property
    def series(self) -> int:
        """Websites times regions: so many ticks an interval."""
        return self.sites * len(self.regions)

    @property
    def mails(self) -> bool:
        """Whether there is something to write mails of."""
        return self.mixed or self.flaky > 0

    def served(self) -> Served:
        """The websites that are needed."""
        return Served(chain=self.chain, named=self.dns, mixed=self.mixed, flaky=self.flaky)

    def describe(self) -> str:
        scheme = "HTTP" if self.chain is None else f"HTTPS, {self.chain} chains"
        scheme = f"85 % {scheme}, 2 % failing" if self.mixed else scheme
        scheme += ", names from the DNS" if self.dns else ""
        return (
            f"{self.sites} websites ({scheme}) every {self.interval_s} s from "
            f"{len(self.regions)} region(s), {self.processes} worker process(es) each, "
            f"ticks in {self.store}: {self.series / self.interval_s:.0f} checks/s"
        )


def read(environ: Mapping[str, str]) -> Options:
    """The options. Raises ValueError, one sentence, for what cannot be measured."""
    sites, regions = number(environ, "SITES", 20_000), number(environ, "REGIONS", 1)
    mixed = switch(environ, "MIX")
    return Options(
        sites=sites,
        regions=tuple(f"region-{n + 1}" for n in range(regions)),
        interval_s=number(environ, "INTERVAL", default_interval_s(sites * regions), least=30),
        store=store(environ.get("STORE", "")),
        chain=chain(environ) if mixed or switch(environ, "HTTPS") else None,
        processes=number(environ, "PROCESSES", 1),
        dns=mixed or switch(environ, "DNS"),
        mixed=mixed,
        threads=number(environ, "THREADS", 8),
    )


def switch(environ: Mapping[str, str], name: str) -> bool:
    """A setting that is on or off."""
    return environ.get(name, "") not in ("", "0")


def chain(environ: Mapping[str, str]) -> Chain:
    """CHAIN. Raises ValueError, one sentence, for an unknown one."""
    text = environ.get("CHAIN") or CHAINS[0]
    for known in CHAINS:
        if text == known:
            return known
    raise ValueError(f"CHAIN must be {' or '.join(CHAINS)} (it is {text!r}).")


def default_interval_s(series: int) -> int:
    """The shortest interval in steps of 30 s that asks for no more than ``_CHECKS_PER_S``."""
    return 30 * max(1, -(-series // (30 * _CHECKS_PER_S)))


def number(environ: Mapping[str, str], name: str, default: int, *, least: int = 1) -> int:
    """A setting. Raises ValueError, one sentence that names it."""
    text = environ.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise ValueError(f"{name} must be a whole number from {least} (it is {text!r}).")
    return int(text)


def store(text: str) -> Store:
    """STORE. Raises ValueError for an unknown one, and for influx where there is no influxd."""
    if text == "postgres" or (not text and shutil.which("influxd") is None):
        return "postgres"
    if text not in ("", "influx"):
        raise ValueError(f"STORE must be influx or postgres (it is {text!r}).")
    if shutil.which("influxd") is None:
        raise ValueError("STORE=influx, but there is no influxd: install Debian's influxdb.")
    return "influx"
