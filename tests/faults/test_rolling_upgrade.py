"""Workers of two versions side by side on the same queues, each sending in its own version."""

from pathlib import Path

from support.judge import Allowance
from support.truth import scripted

_NEWER = {"PYTHONPATH": str(Path(__file__).parents[1] / "support" / "hooks" / "newer")}


def test_old_and_new_workers_share_the_work_and_lose_none_of_it(faulty):
    # given one host of each kind that has the next version
    newer = dict.fromkeys(("central-1", "europe-2"), _NEWER)
    with faulty(scripted(31), of=lambda *_: newer) as system:
        # then what the old ones cannot read they hand on, some seconds late
        system.compare(Allowance(late_s=20))
        # and it was handed on indeed: of batches as well as of flips
        for name, actor in (("europe-1", "check_batch"), ("central-2", "record_flips")):
            handed_on = [
                event["actor"]
                for event in system.processes.events(name)
                if event["event"] == "message.handed_on"
            ]
            assert actor in handed_on, name
        with system.redis.client() as redis:
            assert redis.keys("dramatiq:*.XQ") == []
