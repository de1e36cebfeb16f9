"""CPU time and memory of process trees, from /proc (Linux; see proc(5))."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")
_SMAPS = re.compile(r"^(Rss|Pss):\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True)
class Stat:
    """One process. ``cpu_ticks``: its own, and those of its children that ended."""

    pid: int
    ppid: int
    cpu_ticks: int


@dataclass(frozen=True)
class Memory:
    """``pss``: pages shared with others count in part, so that sums are true. In bytes."""

    rss: int = 0
    pss: int = 0

    def __add__(self, other: Memory) -> Memory:
        return Memory(self.rss + other.rss, self.pss + other.pss)


@dataclass(frozen=True)
class Machine:
    """CPU time of the whole machine in microseconds: at work, and taken by the hypervisor."""

    busy_us: int
    stolen_us: int


def parse_stat(text: str) -> Stat:
    """A line of /proc/PID/stat. The name in brackets may hold anything, brackets too."""
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return Stat(int(head.split(" ", 1)[0]), int(fields[1]), sum(map(int, fields[11:15])))


def parse_machine(text: str) -> Machine:
    """The first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal."""
    user, nice, system, _, _, irq, softirq, steal = map(int, text.split()[1:9])
    return Machine((user + nice + system + irq + softirq) * _TICK_US, steal * _TICK_US)


def parse_memory(text: str) -> Memory:
    """/proc/PID/smaps_rollup."""
    found = {name: int(kib) * 1024 for name, kib in _SMAPS.findall(text)}
    return Memory(found.get("Rss", 0), found.get("Pss", 0))


def tree(root: int, stats: Mapping[int, Stat]) -> list[int]:
    """``root`` and all that descend from it."""
    children: dict[int, list[int]] = {}
    for stat in stats.values():
        children.setdefault(stat.ppid, []).append(stat.pid)
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        if pid in stats:
            found.append(pid)
        todo += children.get(pid, [])
    return found


def cpu_us(roots: Mapping[str, int]) -> dict[str, int]:
    """CPU time of each tree since it began, in microseconds, to a clock tick per process."""
    stats = {stat.pid: stat for stat in _all_stats()}
    return {
        name: sum(stats[pid].cpu_ticks for pid in tree(root, stats)) * _TICK_US
        for name, root in roots.items()
    }


def memory(roots: Mapping[str, int]) -> dict[str, Memory]:
    """Memory of each tree now."""
    stats = {stat.pid: stat for stat in _all_stats()}
    return {name: _sum(map(_memory, tree(root, stats))) for name, root in roots.items()}


def memories(root: int) -> list[Memory]:
    """Memory of each process of a tree now, the largest first."""
    stats = {stat.pid: stat for stat in _all_stats()}
    return sorted(map(_memory, tree(root, stats)), key=lambda m: m.rss, reverse=True)


def sockets_waiting() -> int:
    """TCP sockets of this machine in TIME_WAIT: connections that were closed lately."""
    return parse_sockstat(Path("/proc/net/sockstat").read_text(encoding="ascii"))


def parse_sockstat(text: str) -> int:
    """/proc/net/sockstat; 0 where it does not say."""
    found = re.search(r"^TCP:.* tw (\d+)", text, re.MULTILINE)
    return int(found[1]) if found else 0


def machine() -> Machine:
    """Of the whole machine since it started."""
    with Path("/proc/stat").open(encoding="ascii") as file:
        return parse_machine(file.readline())


def _all_stats() -> Iterator[Stat]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            # It may end while we look.
            with suppress(FileNotFoundError, ProcessLookupError):
                yield parse_stat((folder / "stat").read_text(encoding="utf-8", errors="replace"))


def _memory(pid: int) -> Memory:
    try:
        return parse_memory(Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii"))
    except (FileNotFoundError, ProcessLookupError):
        return Memory()


def _sum(parts: Iterable[Memory]) -> Memory:
    return sum(parts, Memory())
