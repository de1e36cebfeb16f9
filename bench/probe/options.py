"""What `python -m bench.probe` compares: read from the command line."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from bench.certificates import CHAINS, LEAVES, Chain
from bench.mix import kind_of
from bench.targets import ADDRESSES, Served

ABOUT = """CPU of one check in the prober alone, against the prober of another checkout.

A website is "known" after it was checked before: the default. User and system time of the prober's
process; the websites are nginx, in a process of its own.
"""


@dataclass(frozen=True)
class Wanted:
    """``against``: a checkout's directory, or a commit of this repository. ``chain``: None for
    plain HTTP. ``redirected``: asked for over HTTP first, which redirects. ``first``, ``changed``:
    see the command's help. ``openssl_conf``: for the prober of the working tree alone."""

    against: str
    chain: Chain | None
    named: bool
    redirected: bool
    first: bool
    changed: bool
    rounds: int
    checks: int
    at_once: int
    python: Path
    openssl_conf: Path | None = None

    def served(self) -> Served:
        return Served(chain=self.chain, named=self.named, mixed=self.redirected)

    @property
    def numbers(self) -> list[int]:
        """The websites. No two of them have the same host: a prober may remember hosts."""
        if self.redirected:
            return list(islice((n for n in count() if kind_of(n) == "redirect"), LEAVES))
        return list(range(LEAVES if self.named else len(ADDRESSES)))

    @property
    def websites(self) -> int:
        return len(self.numbers)

    @property
    def passes(self) -> int:
        """How often all websites are checked in a turn."""
        return math.ceil(self.checks / self.websites)

    def describe(self) -> str:
        what = "HTTP" if self.chain is None else f"HTTPS with {self.chain} chains"
        what = f"a redirect to {what}" if self.redirected else what
        where = "by name" if self.named else "by address"
        which = "the first check of each website" if self.first else "known websites"
        which = "chains that have changed" if self.changed else which
        return f"{what} {where}, {which}: {self.rounds} turns of {self.passes * self.websites}"


def read(words: Sequence[str] | None = None) -> Wanted:
    """The options. Exits with a sentence for what cannot be measured."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.probe",
        description=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--against", required=True, metavar="DIR", help="a checkout's directory, or a commit")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--chain", choices=CHAINS, default="ec", help="of certificates (ec)")
    kind.add_argument("--plain", action="store_true", help="plain HTTP")
    add("--by-name", action="store_true", help="every check looks its name up; SNI")
    add("--redirect", action="store_true", help="HTTP by name that redirects to HTTPS")
    state = parser.add_mutually_exclusive_group()
    state.add_argument("--first", action="store_true", help="a new prober for every check")
    state.add_argument("--changed", action="store_true", help="a new certificate for every check")
    add("--rounds", type=_positive, default=9, help="turns of each (9)")
    add("--checks", type=_positive, default=2000, help="checks in a turn, at least (2000)")
    add("--at-once", type=_positive, default=50, help="checks under way (50)")
    add("--python", type=Path, default=Path(sys.executable), help="that runs both probers")
    add("--openssl-conf", type=Path, help="OPENSSL_CONF of the working tree's prober alone")
    said = parser.parse_args(words)
    if said.plain and said.changed:
        parser.error("--changed needs certificates, and --plain has none")
    if said.plain and said.redirect:
        parser.error("--redirect leads to HTTPS, and --plain has none")
    return Wanted(
        against=said.against,
        chain=None if said.plain else said.chain,
        named=said.by_name or said.redirect,
        redirected=said.redirect,
        first=said.first,
        changed=said.changed,
        rounds=said.rounds,
        checks=said.checks,
        at_once=said.at_once,
        python=said.python,
        openssl_conf=said.openssl_conf,
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number
