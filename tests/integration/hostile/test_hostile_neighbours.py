"""500 good websites are found up, while every hostile one is checked beside them.

That they are measured the same, too, is shown by tests/quiet, which compares times.
"""

from __future__ import annotations

from monitor.domain.outcome import Result
from support.hostile_checks import hostile_prober
from support.hostile_farm import CASES
from support.hostile_neighbours import NEIGHBOURS, run
from support.targets_loops import on_both_loops


@on_both_loops
async def test_good_neighbours_are_all_up(farms):
    prober = hostile_prober(farms)
    try:
        outcomes = await run(prober, farms, CASES)
    finally:
        await prober.close()

    assert len(outcomes) == NEIGHBOURS
    assert [o.evidence for o in outcomes if o.result is not Result.UP] == []
    assert all(o.response_ms > 0 for o in outcomes)
