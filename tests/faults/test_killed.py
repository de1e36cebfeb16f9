"""Processes killed in the middle of their work, as by a power cut: SIGKILL to their groups."""

from support.judge import Allowance
from support.system import eventually
from support.truth import scripted

_RETURN_S = 45
"""What a killed worker held goes to others when it was silent for 30 s, or some seconds later."""


def _in_the_middle_of_a_batch(system):
    """Until websites were just asked by somebody, and have yet to answer."""
    asked = len(system.sites.asked)
    eventually(lambda: len(system.sites.asked) > asked, within_s=60, every_s=0.02)


def test_one_of_two_hosts_dies_for_good(faulty):
    with faulty(scripted(12, blind_s=_RETURN_S)) as system:
        system.sites.delay_s = 1.0
        system.at(12)
        _in_the_middle_of_a_batch(system)
        system.processes.kill("europe-1")
        # then its neighbour does all of the work
        system.compare(Allowance(late_s=_RETURN_S, lost_ticks=system.script.websites))
