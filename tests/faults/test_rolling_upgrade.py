"""Workers of two versions side by side on the same queues, each sending in its own version."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.earlier import BEFORE, need_source
from support.judge import Allowance
from support.truth import scripted

_NEWER = {"PYTHONPATH": str(Path(__file__).parents[1] / "support" / "hooks" / "newer")}


@pytest.mark.parametrize(
    ("newer", "old", "actor"),
    [
        # Whichever central worker gives a minute out, its batches are of the next version.
        (("central-1", "central-2", "europe-2"), "europe-1", "check_batch"),
        # Half of the flips are, and half of them come to the old central worker.
        (("central-1", "europe-2"), "central-2", "record_flips"),
    ],
    ids=["checks", "flips"],
)
def test_mixed_versions_of_workers_lose_no_message(faulty, newer, old, actor):
    # given some workers that are of the next version
    with faulty(scripted(31), of=lambda *_: dict.fromkeys(newer, _NEWER)) as system:
        # then what the old ones cannot read they hand on, some seconds late
        system.compare(Allowance(late_s=20))
        # and it was handed on indeed
        handed_on = [
            event["actor"]
            for event in system.processes.events(old)
            if event["event"] == "message.forwarded"
        ]
        assert actor in handed_on
        with system.redis.client() as redis:
            assert redis.keys("dramatiq:*.XQ") == []


def test_a_region_worker_of_the_version_before_goes_on_checking(faulty, tmp_path):
    # given a region with one worker of the version before and one of this
    source = str(need_source(BEFORE, tmp_path))
    assert _imports(source, "monitor.broker")
    assert not _imports(source, "monitor.queue")
    with faulty(scripted(37), of=lambda *_: {"europe-1": {"PYTHONPATH": source}}) as system:
        # then nobody can tell from what was found
        system.compare(Allowance())
        # and both have checked
        for worker in ("europe-1", "europe-2"):
            checked = [e for e in system.processes.events(worker) if e["event"] == "batch.checked"]
            assert sum(event["websites"] for event in checked) > 300, worker


def _imports(source, module):
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import {module}"],
        env={"PYTHONPATH": source}, capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode == 0
