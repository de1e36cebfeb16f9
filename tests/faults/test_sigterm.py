"""Every process, told to end in the middle of its work: a restart, a deployment, Ctrl-C."""

from concurrent.futures import ThreadPoolExecutor

from monitor.services.notifications.outbox import MAX_CONCURRENT_DELIVERIES
from support.judge import Allowance
from support.mailbox import HANG
from support.system import eventually
from support.truth import scripted

_GONE_WITHIN_S = 10

_SLOW_S = 8.0
"""What websites take that a worker does not wait for when it is told to end: it hands them back."""

_AWAY_S = 20
"""How long it may take until all processes are there again, where several such cases run."""
_RETURN_S = 45
"""What a worker left goes to others once it was silent for 25 s, or some seconds later."""


def _in_the_middle_of_a_batch(system):
    """Until websites were just asked by somebody, and have yet to answer."""
    asked = len(system.sites.asked)
    eventually(lambda: len(system.sites.asked) > asked, within_s=60, every_s=0.02)


def _restart(system, name, **how):
    """Tell a process to end and have it back; returns how many seconds it took to end."""
    boots = _boots(system, name)
    took_s = system.processes.end(name, **how)
    system.processes.start(name)
    if name == "api":
        eventually(system.processes.is_ready, within_s=60)
    elif not name.startswith("scheduler"):
        eventually(lambda: _boots(system, name) > boots, within_s=60)
    return took_s


def _boots(system, worker):
    return sum(e["event"] == "Event loop is running." for e in system.processes.events(worker))


def test_rolling_restart_loses_no_tick_and_no_mail(faulty):
    """The first of each by a signal to it, as from a supervisor, the second by one to its group."""
    with faulty(scripted(21, blind_s=_SLOW_S), with_a_minute=True) as system:
        system.sites.delay_s = _SLOW_S
        # when, while incidents open and batches are under way
        system.at(8)
        took = {}
        for name in list(system.processes.commands):
            if name.startswith("europe"):
                _in_the_middle_of_a_batch(system)
            took[name] = _restart(system, name, whole_group=name.endswith("2"))
        # then
        assert max(took.values()) < _GONE_WITHIN_S, took
        system.compare(Allowance(late_s=15 + _SLOW_S))


def test_double_sigterm_or_sigkill_of_everything_while_incidents_open(faulty):
    """As by a Ctrl-C that is impatient."""
    with faulty(scripted(22, blind_s=_AWAY_S), with_a_minute=True) as system:
        system.sites.delay_s = 1.0
        before = len(system.mailbox.mails)
        eventually(lambda: len(system.mailbox.mails) > before + 3, within_s=60, every_s=0.02)
        _in_the_middle_of_a_batch(system)
        # when
        system.processes.kill("central-2")
        names = list(system.processes.children)
        with ThreadPoolExecutor(len(names)) as pool:
            took_s = list(pool.map(lambda n: _tell_twice(system, n), names))
        # then
        assert max(took_s) < _GONE_WITHIN_S, dict(zip(names, took_s, strict=True))
        # and when all of them are back
        for name in system.processes.commands:
            system.processes.start(name)
        # then what they handed back is late while nobody was there, and what the killed one held
        # until it is missed: for an interval lost. What failed late may be looked at once more, and
        # mails that were just being sent may come twice
        websites = system.script.websites
        allowed = Allowance(
            late_s=_RETURN_S,
            lost_ticks=websites,
            extra_ticks=websites // 3,
            doubled_mails=MAX_CONCURRENT_DELIVERIES,
        )
        found = system.compare(allowed)
        print(took_s, found.numbers)  # noqa: T201 - what the fault did cost


def test_late_second_sigterm_while_mail_server_hangs_loses_no_mail(faulty):
    """As by an operator who waits for a while and loses patience: later than what one signal to a
    group comes to."""
    with faulty(scripted(23, blind_s=_RETURN_S), with_a_minute=True) as system:
        # given mails that both are waiting for an answer to
        hanging = []
        system.mailbox.reply = lambda envelope: hanging.append(envelope) or HANG
        eventually(lambda: len(hanging) > MAX_CONCURRENT_DELIVERIES, within_s=90, every_s=0.05)
        # when
        names = ["central-1", "central-2"]
        with ThreadPoolExecutor(2) as pool:
            took_s = list(pool.map(lambda n: _tell_again(system, n), names))
        system.mailbox.reply = lambda _envelope: "250 OK"
        for name in names:
            system.processes.start(name)
        # then
        assert max(took_s) < _GONE_WITHIN_S, took_s
        found = system.compare(Allowance(late_s=_RETURN_S + _GONE_WITHIN_S))
        print(took_s, found.numbers)  # noqa: T201 - what the fault did cost


def _tell_again(system, name):
    """Tell a process to end, and again unless it has; returns the seconds from the first time.

    A worker takes a second signal within 3 s for the first one, and may end in good order soon
    after that: then there is nobody left to be impatient with.
    """
    return system.processes.end(name, times=2, apart_s=3.2)


def _tell_twice(system, name):
    return system.processes.end(name, times=2, whole_group=True)
