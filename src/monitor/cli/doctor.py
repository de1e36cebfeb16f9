"""`monitor doctor`: looks at everything an installation stands on, and prints a line each."""

# ruff: noqa: PLC0415 - `monitor --help` must be fast: heavy modules are imported inside

from __future__ import annotations

import io
import os
import shutil
import sys
import textwrap
from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from msgspec import json

from monitor.cli.stack_settings import survey_or_stacks

if TYPE_CHECKING:
    from monitor.services.doctor.finding import Finding

_STATE_WIDTH, _NAME_WIDTH = 9, 15
_WIDEST: Final = 100
_COLOURS: Final = {"ok": "32", "warning": "33", "failed": "31", "skipped": "2"}
"""SGR codes (ECMA-48): green, yellow, red, faint."""


def doctor(arguments: Namespace) -> int:
    """Returns 1 where something is wrong, else 0."""
    import logging as standard_logging

    from monitor.cli import aio as cli_loop
    from monitor.runtime import logging
    from monitor.services.doctor.examine import is_well

    logging.configure("doctor")
    standard_logging.disable()  # what fails is told as a finding
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal may lack the arrow
    findings = cli_loop.run(_examine())
    well = is_well(findings)
    if arguments.json:
        print(json.encode({"well": well, "findings": findings}).decode())
    else:
        print("\n".join(_lines(findings)))
    return 0 if well else 1


async def _examine() -> list[Finding]:
    import asyncio

    from monitor.runtime.daemon_threads import DaemonThreads
    from monitor.services.doctor.check import opened
    from monitor.services.doctor.examine import examine

    asyncio.get_running_loop().set_default_executor(DaemonThreads())
    async with opened(survey_or_stacks("DATABASE_URL", "REDIS_URL")) as context:
        return await examine(context)


def _lines(findings: Sequence[Finding]) -> Iterator[str]:
    """A line for each finding, with what to do below it, and one that sums up."""
    terminal = sys.stdout.isatty()
    width = min(shutil.get_terminal_size().columns, _WIDEST) if terminal else None
    for finding in findings:
        name = f"{finding.name:<{_NAME_WIDTH}}"
        state = f"{finding.state.value:<{_STATE_WIDTH}}"
        yield _coloured(finding, state, terminal=terminal) + name + _hanging(finding.what, width)
        if finding.what_to_do:
            yield _INDENT + _hanging(f"→ {finding.what_to_do}", width)
    yield _sum(findings)


_INDENT = " " * (_STATE_WIDTH + _NAME_WIDTH)


def _hanging(text: str, width: int | None) -> str:
    """Text for the last column: wrapped on a terminal, else one line."""
    from monitor.runtime.terminal import single_line

    text = single_line(text)
    if width is None:
        return text
    lines = textwrap.wrap(text, max(width - len(_INDENT), 20), break_on_hyphens=False)
    return f"\n{_INDENT}{'  ' if text.startswith('→') else ''}".join(lines)


def _coloured(finding: Finding, text: str, *, terminal: bool) -> str:
    if not terminal or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{_COLOURS[finding.state.value]}m{text}\x1b[0m"


def _sum(findings: Sequence[Finding]) -> str:
    counts = {state: sum(f.state.value == state for f in findings) for state in _COLOURS}
    words = [f"{counts[state]} {state}" for state in ("failed", "warning") if counts[state]]
    if not words:
        return "\nAll is well."
    return f"\n{', '.join(words)}: see what to do above."
