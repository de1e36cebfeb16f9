"""A central worker is killed before each step of recording a flip and of delivering a mail.

The steps are noted from a run of the code as it is: one that is added is killed at, too. For every
step there is a website of its own, and a worker that dies there. No message tells of the websites
that are left over: the sweep finds them.
"""

import pytest

from support.central_rig import central_rig, steps_noted
from support.system import eventually

_SETTLED_WITHIN_S = 240
"""A killed worker's messages come back after 30 s, its mails after 60, the sweep each minute."""

_MUST_BE_AMONG = {
    "opened": ("lock", "record", "open_incidents", "queue", "mark_recorded", "send_all"),
    "resolved": ("resolve_incidents", "opened_recipients", "mark_recorded"),
}
_STEPS_AT_LEAST = {"opened": 30, "resolved": 15}
_DELIVERING = ("due", "claim", "_connect", "_hand_over", "_quit", "_record_sent", "mark_sent")


@pytest.fixture
def rig(tmp_path, template):
    with central_rig(tmp_path, template) as made:
        yield made


@pytest.mark.parametrize("event", ["opened", "resolved"])
def test_central_worker_killed_at_any_step_still_tells_each_event(rig, event, tmp_path):
    # given the steps of one run
    rig.add_websites(100)
    down = rig.flips(rig.websites, down=True)
    if event == "resolved":
        _opens_all(rig, down)
    news = down if event == "opened" else rig.flips(rig.websites, down=False)
    steps = _steps(rig, news[0], tmp_path / "steps", told=len(rig.mailbox.mails) + 1)
    ways = {name for step in steps for name in step.partition(": ")[0].split(" > ")}
    assert ways >= {*_MUST_BE_AMONG[event], *_DELIVERING}
    window = _window(steps)
    if event == "resolved":  # a mail is delivered as that of the other event is
        steps = [step for step in steps if step.startswith("record_flips")]
    assert _STEPS_AT_LEAST[event] <= len(steps) < len(rig.websites)
    # when a worker dies before each of them, and others come afterwards
    doubled_at_most = 0
    with rig.killer() as killer:
        # The last ones first: what they leave is free again after a minute, and then found.
        for step, message in zip(reversed(steps), news[1:], strict=False):
            began = _now(rig)
            killer.kill_at(step, message)
            doubled_at_most += _claimed_since(rig, began)
    for number in (1, 2):
        rig.start(f"central-{number}")
    rig.start("scheduler", "periodiq", "monitor.actors")
    # then
    eventually(lambda: _is_settled(rig, event), within_s=_SETTLED_WITHIN_S, every_s=2)
    sent = {(w, e): n for w, e, n in rig.postgres.rows(_SENT)}
    events = ["opened"] if event == "opened" else ["opened", "resolved"]
    expected = {(website, e): 1 for website in rig.websites for e in events}
    assert sent == expected
    came, different = rig.copies()
    assert different == len(expected)
    # A mail is doubled where its worker died after the server took it and before it was recorded:
    # at each step between the two for sure, and while a flip is recorded if it was just there.
    assert (len(window) if event == "opened" else 0) <= came - different <= doubled_at_most
    assert 3 <= len(window) <= 10


_SENT = """
    SELECT i.website_id, n.event, count(*) FROM notifications n JOIN incidents i
        ON i.id = n.incident_id WHERE n.state = 'sent' GROUP BY 1, 2
"""


def _opens_all(rig, down):
    worker = rig.start("before")
    rig.sender.send(down)
    eventually(lambda: len(rig.mailbox.mails) == len(down) and not rig.under_way(), within_s=60)
    rig.stop(worker)


def _steps(rig, message, file, told):
    worker = rig.start_traced(file)
    rig.sender.send([message])
    eventually(lambda: len(rig.mailbox.mails) == told and not rig.under_way(), within_s=60)
    rig.stop(worker)
    return steps_noted(file)


def _window(steps):
    """The steps between the mail server's word that it has a mail and the row that says so."""
    taken = next(n for n, step in enumerate(steps) if "client.sendmail" in step)
    recorded = next(
        n for n, s in enumerate(steps) if "_record_sent > transaction: " in s and "(2)" in s
    )
    return steps[taken + 1 : recorded + 1]


def _now(rig):
    return rig.postgres.rows("SELECT now()")[0][0]


def _claimed_since(rig, began):
    """How many mails a worker that began then had in its hands."""
    claimed = "SELECT count(*) FROM notifications WHERE state = 'queued' AND next_attempt_at > %s"
    return rig.postgres.rows(f"{claimed} + interval '60 s'", began)[0][0]


def _is_settled(rig, event):
    end = "" if event == "opened" else "WHERE resolved_at IS NOT NULL"
    found = rig.postgres.rows(f"SELECT website_id, count(*) FROM incidents {end} GROUP BY 1")
    # One that is lost is never there; one that is there twice is found below.
    return not rig.under_way() and {website for website, _ in found} == set(rig.websites)
