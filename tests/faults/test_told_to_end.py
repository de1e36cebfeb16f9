"""Every process, told to end in the middle of its work: a restart, a deployment, Ctrl-C."""

import time

import pytest

from support.judge import Allowance
from support.system import eventually
from support.truth import scripted

_GONE_WITHIN_S = 10

_MISSED_S = 90
"""Two hosts of a region, one after the other, each missed after 30 s and some."""


def test_restarting_everything_one_after_the_other_costs_no_tick_and_no_mail(faulty):
    with faulty(scripted(21)) as system:
        system.sites.delay_s = 1.0
        # when, while incidents open and batches are under way
        system.at(8)
        took = {}
        for name in list(system.processes.commands):
            took[name] = system.processes.stop(name, within_s=3 * _GONE_WITHIN_S)
            system.processes.start(name)
            if name == "api":
                eventually(system.processes.is_ready, within_s=60)
        # then
        assert max(took.values()) < _GONE_WITHIN_S, took
        system.compare(Allowance(late_s=15))


@pytest.mark.parametrize("times", [1, 2])
def test_a_whole_process_group_is_told(faulty, times):
    """Once as by systemd and timeout, twice as by an impatient Ctrl-C."""
    with faulty(scripted(22, blind_s=_MISSED_S)) as system:
        system.sites.delay_s = 1.0
        system.at(8)
        took = {}
        for name in ("europe-1", "central-1", "scheduler-1", "europe-2", "central-2"):
            asked = len(system.sites.asked)
            eventually(lambda n=asked: len(system.sites.asked) > n, within_s=60, every_s=0.02)
            began = time.monotonic()
            child = system.processes.tell_group(name, times)
            child.wait(3 * _GONE_WITHIN_S)
            took[name] = time.monotonic() - began
            system.processes.start(name)
        assert max(took.values()) < _GONE_WITHIN_S, took
        # then told once they hand back what they have; told twice they leave it to be missed
        if times == 1:
            system.compare(Allowance(late_s=15))
        else:
            allowed = Allowance(
                late_s=_MISSED_S, lost_ticks=4 * system.script.websites, doubled_mails=2 * 16
            )
            system.compare(allowed)
