"""Few and many side by side: in which minutes they are measured."""

import sys
import time
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))  # the benchmark is no part of the product

from bench.million import flat, side_by_side


class Central:
    """Of a stack; the hour is rolled up as soon as somebody waits for it."""

    def __init__(self):
        self.done_s, self.waits = [], 0

    def rolled_up(self):
        return self.done_s

    def wait_for(self, done, _doing, *, within_s):
        assert not done()
        assert within_s > 0
        self.waits += 1
        self.done_s = [time.time() + 3600]  # the hour that is due may be the next
        assert done()


@pytest.mark.parametrize(
    ("before_s", "due_s"), [(7200, 3900), (7499, 3900), (7500, 7500), (10_799, 7500)]
)
def test_roll_ups_are_due_five_minutes_past_the_hour(before_s, due_s):
    assert flat.roll_up_due(before_s) == due_s


def test_the_minutes_begin_when_each_stack_has_rolled_up_the_hour():
    # given
    watches, now_s = [Central(), Central()], time.time()
    # when
    begin_s = side_by_side._begin(watches, 12, started_s=0)
    # then
    assert [w.waits for w in watches] == [1, 1]
    assert begin_s % 60 == 0
    assert 60 < begin_s - now_s < 125


def test_stacks_that_were_started_after_it_have_none_to_wait_for():
    watches = [Central()]
    side_by_side._begin(watches, 12, started_s=time.time() + 3600)
    assert watches[0].waits == 0
