"""Wall clocks of running processes, stepped by libfaketime; their steady clocks go on."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

HOUR_S = 3600


class FakeClock:
    """``settings``: the environment of the processes that are to have this clock."""

    def __init__(self, library, file):
        self._file = file
        self.step(0)
        self.settings = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "PYTHONPATH": str(Path(__file__).parent / "hooks" / "fake_clock"),
        }

    def step(self, ahead_s):
        """So far ahead of the true time it is from now on; seen within a second."""
        unfinished = self._file.with_suffix(".new")
        unfinished.write_text(f"{ahead_s:+d}\n", encoding="ascii")
        unfinished.chmod(0o644)
        unfinished.replace(self._file)


@contextmanager
def fake_clock():
    """A visible skip where libfaketime is not installed; with REQUIRE_FAKETIME=1 a failure."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found and os.environ.get("REQUIRE_FAKETIME") == "1":
        pytest.fail("REQUIRE_FAKETIME=1, but it is not here: install Debian's libfaketime.")
    if not found:
        pytest.skip("no libfaketime on this machine: clocks are not stepped")
    with tempfile.TemporaryDirectory(prefix="monitor-clock-") as directory:
        Path(directory).chmod(0o755)  # PostgreSQL runs as another user where we are root
        yield FakeClock(found[0], Path(directory) / "clock")
