"""Two probers and the blackbox exporter in turn, at the same websites.

Each turn is a process started for it: one start of a Python process is a little faster or slower
than the next, and this way that is part of the spread. What a start and the first checks of each
website cost is over before the meter is read. From one round to the next the order is turned round.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import compare, names, serving, targets
from bench.against import checkout
from bench.stack import Failed
from bench.targets import Targets
from bench.watch import say

from .options import Wanted

TREE, AGAINST, BLACKBOX = "working tree", "against", "blackbox exporter"
_CHILD = Path(__file__).with_name("child.py")
_REPOSITORY = Path(__file__).parents[2]
_WARM_UP_PASSES = 2
_BLACKBOX_S = 4.0


@dataclass(frozen=True)
class Compared:
    """``us``: CPU of a check in each turn, by who made it; in rounds, in their order."""

    wanted: Wanted
    openssl: str
    us: Mapping[str, Sequence[float]]


class Child:
    """A prober of some checkout, in a process of its own, which ends with us."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def fresh(self) -> None:
        """From now on a prober that knows nothing."""
        self._told("fresh")

    def check(self, passes: int, websites: int) -> float:
        """CPU in us of one check. Raises Failed unless every website is up."""
        told = self._told(f"check {passes}")
        outcomes = dict(told["outcomes"])
        if outcomes != {"up": passes * websites}:
            raise Failed(f"Not every website is up: {str(outcomes)[:500]}")
        return float(told["cpu_us"]) / (passes * websites)

    def _told(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        if not (answer := self._process.stdout.readline()):
            raise Failed(f"The prober ended ({self._process.wait()}); what it said is above.")
        return dict(json.loads(answer))


@dataclass(frozen=True)
class Side:
    """One checkout: its ``src``, and what its prober's environment has besides."""

    source: Path
    more: Mapping[str, str]


def run(wanted: Wanted) -> Compared:
    """All turns. Raises ValueError for an unknown commit, FileNotFoundError, Failed."""
    say(wanted.describe())
    with ExitStack() as ending:
        conf = {"OPENSSL_CONF": str(wanted.openssl_conf)} if wanted.openssl_conf else {}
        sides = {
            AGAINST: Side(ending.enter_context(_source(wanted.against)), {}),
            TREE: Side(_REPOSITORY / "src", conf),
        }
        directory = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="monitor-bench-")))
        site = ending.enter_context(_Site.opened(wanted, directory))
        us: dict[str, list[float]] = {name: [] for name in (*sides, BLACKBOX)}
        for number in range(wanted.rounds):
            for name in list(sides)[:: -1 if number % 2 else 1]:
                us[name].append(_turn(wanted, site, sides[name]))
            if (other := site.blackbox(directory)) is not None:
                us[BLACKBOX].append(other)
            last = ", ".join(f"{name} {found[-1]:.0f} us" for name, found in us.items() if found)
            say(f"round {number + 1} of {wanted.rounds}: {last}")
        return Compared(wanted, _openssl(wanted), us)


@contextmanager
def _source(against: str) -> Iterator[Path]:
    """The ``src`` of a directory, or of a commit that is unpacked for as long as it takes."""
    if Path(against).is_dir():
        yield _must_have_source(Path(against))
    else:
        with checkout.checked_out(checkout.short_id(against)) as tree:
            yield _must_have_source(tree)


def _must_have_source(tree: Path) -> Path:
    source = tree.resolve() / "src"
    if not (source / "monitor" / "__init__.py").is_file():
        raise ValueError(f"--against must name a checkout of this project: {tree} is none.")
    return source


@dataclass(frozen=True)
class _Site:
    """The websites of a comparison, and the server of their names where they have some."""

    wanted: Wanted
    served: Targets
    urls: Path
    dns: tuple[str, ...]

    @classmethod
    @contextmanager
    def opened(cls, wanted: Wanted, directory: Path) -> Iterator[_Site]:
        with ExitStack() as ending:
            served = targets.start(directory / "nginx", wanted.served())
            ending.callback(serving.stop, served.child)
            dns: tuple[str, ...] = ()
            if wanted.named:
                answering = names.start(directory, targets.ADDRESSES)
                ending.callback(serving.stop, answering.child)
                dns = (answering.address,)
            serving.wait_until_up(served)
            urls = directory / "urls.txt"
            urls.write_text("\n".join(map(served.url, wanted.numbers)), encoding="utf-8")
            yield cls(wanted, served, urls, dns)

    def environment(self) -> dict[str, str]:
        """Of who asks them: the store is the one that everybody trusts."""
        store = self.served.store
        return dict(os.environ) | ({"SSL_CERT_FILE": str(store)} if store else {})

    def blackbox(self, directory: Path) -> float | None:
        """A turn of the exporter; None where it is not installed, or is asked for something it does
        not do: it remembers nobody, so a website's first check is as its others, and asked by
        address it verifies no name that it is redirected to."""
        exporter = compare.find_blackbox()
        w = self.wanted
        if exporter is None or w.first or w.changed or w.redirected:
            return None
        urls = [self.served.url_by_address(n) for n in w.numbers]
        with compare.running_blackbox(exporter, directory, self.environment()) as running:
            return compare.probe(running, urls, directory, seconds=_BLACKBOX_S).cpu_us


@contextmanager
def _child(wanted: Wanted, site: _Site, side: Side) -> Iterator[Child]:
    words = ["-P", str(_CHILD), str(site.urls), str(wanted.at_once), *site.dns]
    environment = site.environment() | dict(side.more) | {"PYTHONPATH": str(side.source)}
    with subprocess.Popen(
        [wanted.python, *words],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Child(process)
        finally:
            process.kill()  # it holds nothing that has to be given back


def _turn(wanted: Wanted, site: _Site, side: Side) -> float:
    """CPU in us of a check, of one process."""
    with _child(wanted, site, side) as child:
        child.check(_WARM_UP_PASSES, wanted.websites)
        if not (wanted.first or wanted.changed):
            return child.check(wanted.passes, wanted.websites)
        passes = [_anew(wanted, site, child) for _ in range(wanted.passes)]
        return sum(passes) / len(passes)


def _anew(wanted: Wanted, site: _Site, child: Child) -> float:
    """Every website checked once, and none is what the prober knows."""
    if wanted.first:
        child.fresh()
    else:
        serving.renew_certificates(site.served)
    return child.check(1, wanted.websites)


def _openssl(wanted: Wanted) -> str:
    question = "import ssl; print(ssl.OPENSSL_VERSION)"
    done = subprocess.run(
        [wanted.python, "-c", question], stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.strip()
