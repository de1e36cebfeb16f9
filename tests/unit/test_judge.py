"""The judge of the fault tests: it agrees with a perfect record, and with no other."""

from dataclasses import replace

import pytest

from support.judge import Allowance, Incident, Record, SeenTick, SentMail, judge
from support.truth import (
    INTERVAL_S,
    OPERATORS,
    RECHECK_S,
    Outage,
    Script,
    Truth,
    scripted,
)

_BEGIN_S = 1_790_000_010.0
_SCRIPT = Script(
    12,
    (
        Outage(0, 0.0, 70.0),
        Outage(1, 10.0, None),
        Outage(2, 33.0, 38.0),  # a blip that a check falls into
        Outage(10, 5.0, 80.0),  # told to two
        Outage(10, 160.0, None),
    ),
)
_TRUTH = Truth(
    _SCRIPT,
    _BEGIN_S,
    _BEGIN_S,
    _BEGIN_S + _SCRIPT.end_s,
    ("europe",),
    {w: 2.5 * w for w in range(_SCRIPT.websites)},
)


def _series(truth, website):
    """What a system without fault measures of a website: its slots, and a re-check where owed."""
    failing = False
    for at_s in truth.slots(website):
        slot_s = int(at_s)
        up = not truth.down(website, slot_s)
        yield SeenTick(website, "europe", slot_s, up)
        if not up and not failing:
            recheck_s = slot_s + RECHECK_S
            yield SeenTick(website, "europe", recheck_s, not truth.down(website, recheck_s))
        failing = not up


def _perfect(truth=_TRUTH):
    script, record = truth.script, Record()
    for website in range(script.websites):
        record.ticks += _series(truth, website)
        record.statuses[website] = "down" if script.down(website, script.end_s) else "up"
        for number, outage in enumerate(script.incidents(website)):
            until_s = None if outage.until_s is None else truth.begin_s + outage.until_s + 20
            started_s = truth.begin_s + outage.from_s + 20
            record.incidents.append(Incident(website, started_s, until_s))
            for to in script.recipients(website):
                for event in ("opened", "resolved")[: 1 if until_s is None else 2]:
                    mail_id = f"<{website}-{number}-{event}-{to}>"
                    record.mails.append(SentMail(website, event, to, mail_id))
    return record


def _complaint(record, allow=None):
    (complaint,) = judge(_TRUTH, record, allow).complaints
    return complaint


def test_a_perfect_record_is_without_complaint():
    assert judge(_TRUTH, _perfect()).complaints == []
    long = scripted(7)
    truth = Truth(
        long, _BEGIN_S, _BEGIN_S, _BEGIN_S + long.end_s, ("europe",), dict.fromkeys(range(300), 7)
    )
    assert judge(truth, _perfect(truth)).complaints == []


def test_a_script_is_the_same_for_the_same_seed_and_has_outages_blips_and_quiet_websites():
    script = scripted(1)
    assert script == scripted(1)
    assert script != scripted(2)
    blips = [o for o in script.outages if o.is_blip]
    assert 5 < len(blips) < 60 < len(script.outages) < 150
    assert all(len(script.incidents(w)) <= 1 for w in range(script.websites))
    assert scripted(1, blind_s=60).end_s > script.end_s + 50


def test_a_missing_incident():
    record = _perfect()
    record.incidents.pop(0)
    assert "website 0: no incident" in _complaint(record)


@pytest.mark.parametrize("website", [0, 2, 3])
def test_an_incident_too_many(website):
    record = _perfect()
    record.incidents.append(Incident(website, _BEGIN_S + 30, _BEGIN_S + 60))
    assert "one too many" in _complaint(record)


@pytest.mark.parametrize("off_s", [-40, 60])
def test_a_wrong_start(off_s):
    record = _perfect()
    first = record.incidents[0]
    record.incidents[0] = replace(first, started_s=first.started_s + off_s)
    assert "website 0: wrong start" in _complaint(record)
    late = Allowance(late_s=60)
    assert judge(_TRUTH, record, late).complaints == []


@pytest.mark.parametrize("end_s", [None, _BEGIN_S + 20, _BEGIN_S + 140])
def test_a_wrong_end(end_s):
    record = _perfect()
    record.incidents[0] = replace(record.incidents[0], resolved_s=end_s)
    assert "website 0: wrong end" in _complaint(record)


def test_an_incident_that_ended_and_should_not_have():
    record = _perfect()
    number = next(n for n, i in enumerate(record.incidents) if i.website == 1)
    record.incidents[number] = replace(record.incidents[number], resolved_s=_BEGIN_S + 100)
    assert "website 1: wrong end" in _complaint(record)


def test_a_doubled_mail():
    record = _perfect()
    record.mails.append(record.mails[0])
    assert _complaint(record) == "1 doubled mails, and 0 are allowed"
    assert _complaint(_doubled_twice(), Allowance(doubled_mails=1)).startswith("2 doubled mails")
    assert judge(_TRUTH, record, Allowance(doubled_mails=1)).complaints == []


def _doubled_twice():
    record = _perfect()
    record.mails += [record.mails[0], record.mails[1]]
    return record


def test_the_same_news_in_another_mail_is_no_copy():
    record = _perfect()
    record.mails.append(replace(record.mails[0], message_id="<another>"))
    assert "a mail too many" in _complaint(record, Allowance(doubled_mails=9))


def test_a_missing_mail():
    for number in range(len(_perfect().mails)):
        record = _perfect()
        record.mails.pop(number)
        assert "no mail to tell" in _complaint(record)


def test_a_mail_to_somebody_else():
    record = _perfect()
    mail = record.mails[0]
    assert mail.recipient not in OPERATORS
    record.mails[0] = replace(mail, recipient=OPERATORS[0])
    assert len(judge(_TRUTH, record).complaints) == 2


def test_a_mail_about_a_blip():
    record = _perfect()
    record.mails.append(SentMail(2, "opened", OPERATORS[0], "<blip>"))
    assert "a mail too many" in _complaint(record)


def test_a_lost_tick():
    record = _perfect()
    lost = next(t for t in record.ticks if t.website == 3 and t.slot_s > _BEGIN_S + INTERVAL_S)
    record.ticks.remove(lost)
    assert _complaint(record) == "1 lost ticks, and 0 are allowed"
    assert judge(_TRUTH, record, Allowance(lost_ticks=1)).complaints == []


def test_all_ticks_of_a_region_lost():
    truth = replace(_TRUTH, regions=("europe", "asia"))
    found = judge(truth, _perfect())
    assert found.lost_ticks > 12 * 3


@pytest.mark.parametrize("after_s", [8, RECHECK_S])
def test_an_extra_tick(after_s):
    record = _perfect()
    some = next(t for t in record.ticks if t.website == 3 and t.slot_s > _BEGIN_S + INTERVAL_S)
    record.ticks.append(replace(some, slot_s=some.slot_s + after_s))
    assert _complaint(record).startswith("1 extra ticks, and 0 are allowed: [SeenTick(")


def test_a_second_tick_in_a_slot():
    record = _perfect()
    some = next(t for t in record.ticks if t.website == 3 and t.slot_s > _BEGIN_S + INTERVAL_S)
    record.ticks.append(replace(some, slot_s=some.slot_s - 1))
    assert _complaint(record).startswith("1 extra ticks, and 0 are allowed: [SeenTick(")


@pytest.mark.parametrize(("after_s", "extra"), [(RECHECK_S, 0), (RECHECK_S + 6, 1)])
def test_a_recheck_counts_where_the_check_before_it_does(after_s, extra):
    """While websites are added, some are checked twice in a slot, and again 15 s later."""
    record = _perfect()
    record.ticks.append(SeenTick(3, "europe", int(_BEGIN_S) + after_s, True))
    assert judge(_TRUTH, record).extra_ticks == extra


def test_a_second_recheck_of_one_failure():
    record = _perfect()
    first = next(t for t in record.ticks if t.website == 2 and not t.up)
    record.ticks.append(replace(first, slot_s=first.slot_s + RECHECK_S + 2, up=True))
    assert _complaint(record).startswith("1 extra ticks, and 0 are allowed: [SeenTick(")


@pytest.mark.parametrize("website", [0, 3])
def test_a_tick_that_says_what_was_not(website):
    record = _perfect()
    number = next(
        n
        for n, t in enumerate(record.ticks)
        if t.website == website and t.slot_s > _BEGIN_S + INTERVAL_S
    )
    record.ticks[number] = replace(record.ticks[number], up=not record.ticks[number].up)
    assert "is not what was" in "".join(judge(_TRUTH, record).complaints)


def test_ticks_of_a_region_that_does_not_check():
    record = _perfect()
    record.ticks.append(replace(record.ticks[0], region="mars"))
    assert "mars" in _complaint(record)


@pytest.mark.parametrize("status", [None, "up", "unknown"])
def test_a_wrong_status(status):
    record = _perfect()
    record.statuses[1] = status
    assert "website 1: its status is" in _complaint(record)
