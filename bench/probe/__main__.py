"""`python -m bench.probe`: what a check costs in the prober, against that of another checkout."""

from __future__ import annotations

import sys
from pathlib import Path

from bench import program
from bench.report import write

from . import options, report, run

RESULT = Path(__file__).parents[1] / "results" / "probe.json"


def main() -> None:
    """Measure, print, keep. Raises ValueError, FileNotFoundError, Failed."""
    compared = run.run(options.read())
    write(report.result(compared), RESULT)
    print("", *report.lines(compared), f"\nAll figures: {RESULT}", sep="\n")


if __name__ == "__main__":
    sys.exit(program.run(main))
