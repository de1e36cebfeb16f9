"""A mail server in all its moods: it is not there, hangs, puts off, takes and cuts, refuses."""

from support.judge import Allowance
from support.mailbox import CUT, HANG
from support.metrics import read, value
from support.truth import scripted

_LATER = "451 4.7.1 try again later"
_NO_SUCH_USER = "550 5.1.1 no such user"
_REFUSED = "refused@example.com"
_CUT_OFF = 8
_MOODS = [HANG] * 8 + [_LATER] * 8 + [CUT] * _CUT_OFF
_AWAY_UNTIL_S = 25


def _moody(moods):
    """Each mood for one mail, whoever it is for; after the last one the server is well for good."""

    def reply(envelope):
        if envelope.rcpt_tos == [_REFUSED]:
            return _NO_SUCH_USER
        return next(moods, "250 OK")

    return reply


def _failures(system):
    """What the central workers logged of deliveries that failed."""
    events = system.processes.events("central-1") + system.processes.events("central-2")
    return [event for event in events if event["event"] == "notification.failed"]


def test_each_mail_arrives_and_twice_only_where_the_server_s_answer_was_cut_off(faulty):
    with faulty(scripted(61)) as system:
        # given a website that goes down, one of whose recipients the server will never take
        emails = [*system.script.recipients(10), _REFUSED]
        answer = system.api.patch(f"/websites/{system.ids[10]}", json={"alert_emails": emails})
        assert answer.status_code == 200, answer.text
        # when the server is not there, and then goes through its moods
        system.mailbox.refuse()
        moods = iter(_MOODS)
        system.mailbox.reply = _moody(moods)
        system.at(_AWAY_UNTIL_S)
        system.mailbox.listen()
        found = system.compare(Allowance(doubled_mails=_CUT_OFF))
        # then it went through all of them
        assert next(moods, None) is None
        said = " ".join(event["error"] for event in _failures(system))
        for each in ("no connection", "did not finish", "451", "lost the connection"):
            assert each in said
        # and only what was cut off came twice, with the Message-ID it had before
        assert found.doubled_mails == _CUT_OFF
        # and what was refused for good has ended, for the operator to see
        rows = system.postgres.rows(
            "SELECT event, state FROM notifications WHERE recipient = %s ORDER BY event", _REFUSED
        )
        assert rows == [("opened", "failed"), ("resolved", "failed")]
        refused = [event for event in _failures(system) if event["permanent"]]
        assert len({event["notification_id"] for event in refused}) == len(refused) == 2
        assert all("no such user" in event["error"] for event in refused)
        metrics = read(system.api.get("/metrics").text)
        assert value(metrics, "monitor_outbox_notifications", state="failed") == 2
        assert value(metrics, "monitor_outbox_notifications", state="queued") == 0
