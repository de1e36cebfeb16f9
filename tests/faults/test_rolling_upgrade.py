"""Workers of two versions side by side on the same queues, each sending in its own version."""

from pathlib import Path

import pytest

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
def test_old_and_new_workers_share_the_work_and_lose_none_of_it(faulty, newer, old, actor):
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
