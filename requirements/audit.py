"""Are there known vulnerabilities in what the requirements pin? `make audit` runs this.

pip-audit asks the package registry about each pin, and where the registry says nothing it calls
that no known vulnerability. So a version that is known to be vulnerable is asked about first: if
that one is not reported, nothing that is said about the others would mean anything.

Exit code 0: all pins were looked up and nothing is known. 1: something is. 2: it is not known,
because the advisory data could not be had.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

CANARY = "jinja2==2.10"  # CVE-2019-10906, a way out of its sandbox
FILES = ("prod.txt", "local.txt", "dev.txt", "audit.txt", "docs.txt")
TIMEOUT_S = 600

CLEAN, VULNERABLE, UNKNOWN = 0, 1, 2

Report = dict[str, Any]
Ask = Callable[[Path, bool], Report]


def ask(requirements: Path, hashed: bool) -> Report:
    """pip-audit's report of a requirements file: {"dependencies": [{"name", "version", "vulns"} or
    {"name", "skip_reason"}]}. Raises ValueError or subprocess.TimeoutExpired where it gives none.
    """
    done = subprocess.run(
        [
            Path(sys.executable).with_name("pip-audit"),
            *("--disable-pip", "--progress-spinner", "off", "--format", "json"),
            *("--require-hashes" if hashed else "--no-deps", "-r", requirements),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    try:
        report = json.loads(done.stdout)
    except ValueError:
        raise ValueError((done.stderr.strip() or "nothing").splitlines()[-1]) from None
    if not isinstance(report, dict) or not report.get("dependencies"):
        raise ValueError("a report without dependencies")
    return report


def audit(files: Iterable[Path], ask: Ask) -> tuple[int, list[str]]:
    """The exit code, and what to say."""
    try:
        with tempfile.TemporaryDirectory() as directory:
            canary = Path(directory, "canary.txt")
            canary.write_text(f"{CANARY}\n")
            if not any(_vulnerabilities(ask(canary, False))):
                return UNKNOWN, [_without_data(f"not even {CANARY} was reported as vulnerable")]
        reports = [ask(file, True) for file in files]
    except (ValueError, OSError, subprocess.TimeoutExpired) as error:
        return UNKNOWN, [_without_data(f"pip-audit said: {error}")]
    known = sorted({line for report in reports for line in _vulnerabilities(report)})
    skipped = sorted({name for report in reports for name in _skipped(report)})
    if skipped:
        lines = [*known, _without_data(f"nothing was told of {', '.join(skipped)}")]
        return (VULNERABLE if known else UNKNOWN), lines
    asked = {d["name"] for report in reports for d in report["dependencies"]}
    return (VULNERABLE, known) if known else (CLEAN, [f"{len(asked)} packages, nothing known."])


def _vulnerabilities(report: Report) -> Iterable[str]:
    for found in report["dependencies"]:
        for vulnerability in found.get("vulns", ()):
            names = " ".join([vulnerability["id"], *vulnerability.get("aliases", ())])
            fixed = ", ".join(vulnerability["fix_versions"]) or "no version yet"
            yield f"{found['name']} {found['version']}: {names}; fixed in {fixed}"


def _skipped(report: Report) -> Iterable[str]:
    return (found["name"] for found in report["dependencies"] if "skip_reason" in found)


def _without_data(why: str) -> str:
    return f"NOT AUDITED: the advisory data cannot be had from here ({why})."


if __name__ == "__main__":
    code, said = audit([Path(__file__).with_name(name) for name in FILES], ask)
    print("\n".join(said))
    sys.exit(code)
