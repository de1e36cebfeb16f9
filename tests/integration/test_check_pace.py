"""What is measured is the website, not the batch it was checked in."""

import asyncio

import pytest

from monitor.domain.messages import CheckBatch
from monitor.domain.outcome import Outcome, Result
from monitor.domain.ring import POSITIONS
from monitor.services.check import check_batch
from support.world import START_S, run

WEBSITES = 60


class OneTurnAway:
    """Websites whose answer is there at the loop's next turn; notes what happens when."""

    def __init__(self):
        self.begun = 0
        self.waited = []

    async def check(self, _options):
        self.begun += 1
        at_begin = self.begun
        await asyncio.sleep(0)
        self.waited.append(self.begun - at_begin)
        return Outcome(Result.UP, status_code=200, response_ms=1.0)


@pytest.mark.parametrize("cancelled", [False, True])
def test_an_answer_does_not_wait_for_the_whole_batch_to_begin(database_url, redis_url, cancelled):
    async def scenario(world):
        # given
        await world.add_region("europe")
        for n in range(WEBSITES):
            await world.add_website(f"http://{n}.example/")
        await world.sync()
        world.prober = OneTurnAway()
        batch = CheckBatch(
            region="europe", interval_s=180, lo=0, hi=POSITIONS, slot_ms=START_S * 1000
        )
        # when
        checking = asyncio.create_task(check_batch(world.worker(), batch))
        if cancelled:
            while not world.prober.begun:  # noqa: ASYNC110 - Redis is asked first
                await asyncio.sleep(0)
            checking.cancel()
        await asyncio.gather(checking, return_exceptions=True)
        # then between its question and its answer few others began
        assert max(world.prober.waited, default=0) < WEBSITES / 2
        assert cancelled or world.prober.begun == WEBSITES
        # and one that is called off leaves nothing running
        assert not [t for t in asyncio.all_tasks() if "OneTurnAway" in repr(t)]

    run(scenario, database_url, redis_url)
