"""Every hostile website has one right outcome, within its own time-out, said in one line.

All are checked at once, on each kind of loop; the tests look at what was found.
"""

from __future__ import annotations

import asyncio
import gc

import pytest
import uvloop

from monitor.domain.outcome import Result
from support.hostile_checks import find_all
from support.hostile_farm import CASES

GRACE_S = 4.0
"""What a check may take longer than its time-out: the tests' machine has other things to do."""


@pytest.fixture(
    scope="module",
    params=[asyncio.new_event_loop, uvloop.new_event_loop],
    ids=["asyncio", "uvloop"],
)
def found(farms, request):
    """What was found by the name of the case, and what the loop complained of."""
    complaints = []

    async def scenario():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        found = await find_all(CASES, farms)
        gc.collect()  # what nobody retrieved is complained of when it goes
        return found

    with asyncio.Runner(loop_factory=request.param) as runner:
        found = runner.run(scenario())
    return found, complaints


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hostile_website_has_the_expected_outcome(found, case):
    outcome = found[0][case.name].outcome

    result = Result.UP if case.reason is None else Result.DOWN
    assert (outcome.result, outcome.reason) == (result, case.reason), outcome.evidence
    if case.status is not None:
        assert outcome.status_code == case.status
    assert case.says in outcome.evidence


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hostile_check_ends_in_time_with_single_line_evidence(found, case):
    outcome, took_s = found[0][case.name].outcome, found[0][case.name].took_s

    assert took_s < case.timeout_s + GRACE_S
    assert outcome.evidence.isprintable()
    assert len(outcome.evidence) <= 200
    assert bool(outcome.evidence) == (outcome.result is not Result.UP)
    if outcome.result is Result.UP:
        assert 0 < outcome.response_ms == outcome.timings.total_ms


def test_event_loop_reports_no_unhandled_exception(found):
    assert found[1] == []


def test_case_names_are_unique():
    assert len({case.name for case in CASES}) == len(CASES) > 150
