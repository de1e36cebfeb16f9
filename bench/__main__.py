"""`make bench`: the whole product under load on this machine, and others at the same websites."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from . import options, program, report, whole

RESULT = Path(__file__).parent / "results" / "latest.json"


def main() -> None:
    """Measure, print, keep. Raises ValueError, FileNotFoundError, TimeoutError, Failed."""
    wanted = options.read(os.environ)
    found = report.result(whole.run(wanted))
    report.write(found, RESULT)
    print(report.table(found, wanted.describe()))
    print(f"\nAll figures: {RESULT}")


if __name__ == "__main__":
    sys.exit(program.run(main))
