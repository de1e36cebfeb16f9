"""`make bench AGAINST=COMMIT`: what a check costs, against what it cost in that commit."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bench import program
from bench.report import write

from . import options, report, run

RESULT = Path(__file__).parents[1] / "results" / "against.json"


def main() -> None:
    """Measure, print, keep. Raises ValueError, FileNotFoundError, TimeoutError, Failed."""
    found = run.run(options.read(os.environ))
    write(report.result(found), RESULT)
    print(f"\nAll figures: {RESULT}\n", *report.lines(found), sep="\n")


if __name__ == "__main__":
    sys.exit(program.run(main))
