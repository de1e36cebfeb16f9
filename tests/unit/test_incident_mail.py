"""The mails of an incident say what, where and why, and nothing that their data smuggles in."""

import datetime as dt
import re
from email import message_from_bytes, policy
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.channels.contract import IncidentEvent
from monitor.channels.email.message import compose, humane, render
from monitor.channels.reason_texts import words_of
from monitor.domain.errors import DeliveryError
from monitor.domain.ids import notification_id
from monitor.domain.incident import Event
from monitor.domain.outcome import Reason
from monitor.resources.mail_address import MailAddress
from support.pages import Page

INCIDENT = UUID("0197a000-0000-7000-8000-0000000000aa")
OPENED_ID = notification_id(INCIDENT, "opened", "email", "ops@example.org")
START = dt.datetime(2026, 11, 23, 21, 5, 3, tzinfo=dt.UTC)

OPENED = IncidentEvent(
    notification_id=OPENED_ID,
    incident_id=INCIDENT,
    type=Event.OPENED,
    website_id=UUID("0197a000-0000-7000-8000-00000000000a"),
    website_name="Example shop",
    url="https://example.com/cart?a=1&b=2",
    started_at=START,
    resolved_at=None,
    cause=Reason.HTTP_STATUS,
    status_code=503,
    evidence="HTTP 503 Service Unavailable",
    regions=("europe",),
    opened_notification_id=OPENED_ID,
)
RESOLVED = msgspec.structs.replace(
    OPENED,
    type=Event.RESOLVED,
    notification_id=notification_id(INCIDENT, "resolved", "email", "ops@example.org"),
    resolved_at=START + dt.timedelta(minutes=12, seconds=40),
)


def changed(event, **fields):
    return msgspec.structs.replace(event, **fields)


SENDER = MailAddress("alerts@monitor.example", "Monitor")


def mail_of(event):
    return render(event, recipient="ops@example.org", domain="monitor.example")


def sent(mail, sender=SENDER):
    """The mail as whoever gets it reads it."""
    return message_from_bytes(compose(mail, sender), policy=policy.default)


# Subjects


def test_an_opened_incident_says_what_why_and_from_where():
    assert mail_of(OPENED).subject == "Down: Example shop (example.com) - HTTP 503 from europe"


def test_a_resolved_incident_says_for_how_long():
    assert mail_of(RESOLVED).subject == "Up again: Example shop (example.com) - was down 12 min"


@pytest.mark.parametrize(
    ("regions", "places"),
    [
        (("asia-1",), "asia-1"),
        (("asia-1", "europe"), "asia-1 and europe"),
        (("asia-1", "europe", "us-east"), "3 regions"),
    ],
)
def test_few_regions_are_named_and_many_counted(regions, places):
    assert mail_of(changed(OPENED, regions=regions)).subject.endswith(f"HTTP 503 from {places}")


@pytest.mark.parametrize(
    ("name", "url", "shown"),
    [
        ("example.com", "https://example.com/", "example.com"),
        ("Shop", "http://[2001:db8::1]:8080/", "Shop (2001:db8::1)"),
        ("Shop", "http://[broken", "Shop"),
    ],
)
def test_a_name_that_says_the_host_says_it_once(name, url, shown):
    mail = mail_of(changed(OPENED, website_name=name, url=url))
    assert mail.subject == f"Down: {shown} - HTTP 503 from europe"


# Words


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words_of_its_own(reason):
    # when
    words = words_of(reason, 0)
    # then
    assert "_" not in words.brief + words.meaning
    assert re.fullmatch(r"[A-Z].*\.", words.meaning)
    others = [words_of(other, 0) for other in Reason if other is not reason]
    assert words.brief not in [other.brief for other in others]
    assert words.meaning not in [other.meaning for other in others]


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_told_in_subject_text_and_html(reason):
    # when
    words, mail = words_of(reason, 503), mail_of(changed(OPENED, cause=reason))
    # then
    assert f" - {words.brief} from europe" in mail.subject
    assert words.brief in mail.text
    assert words.meaning in mail.text
    page = Page(mail.html).text
    assert words.brief in page
    assert words.meaning in page


def test_a_status_is_named_by_its_number_where_there_is_one():
    assert words_of(Reason.HTTP_STATUS, 404).brief == "HTTP 404"
    assert words_of(Reason.HTTP_STATUS, 0).brief == "unexpected HTTP status"
    assert "404" not in words_of(Reason.CONNECTION_RESET, 404).brief


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (3900, "1 h 5 min"),
        (86_399, "23 h 59 min"),
        (86_400, "1 d"),
        (183_600, "2 d 3 h"),
        (90_000_000, "1041 d 16 h"),
    ],
)
def test_durations_are_humane(seconds, words):
    assert humane(dt.timedelta(seconds=seconds)) == words


# Bodies

IDS = (
    "\n"
    "Website id: 0197a000-0000-7000-8000-00000000000a\n"
    "Incident:   0197a000-0000-7000-8000-0000000000aa"
)


def test_the_text_of_an_opened_incident():
    assert mail_of(OPENED).text == (
        "Example shop is down: HTTP 503.\n"
        "\n"
        "Website:    https://example.com/cart?a=1&b=2\n"
        "Down since: 2026-11-23 21:05:03 UTC\n"
        "Seen from:  europe\n"
        "Problem:    The server answered with a status that is not among the expected ones.\n"
        "Evidence:   HTTP 503 Service Unavailable\n"
        "\n"
        "You will get another mail when it is up again.\n" + IDS
    )


def test_the_text_of_a_resolved_incident():
    assert mail_of(RESOLVED).text == (
        "Example shop is up again after 12 min.\n"
        "\n"
        "Website:    https://example.com/cart?a=1&b=2\n"
        "Down from:  2026-11-23 21:05:03 UTC\n"
        "Until:      2026-11-23 21:17:43 UTC\n"
        "It was:     HTTP 503\n" + IDS
    )


def test_times_are_told_in_utc_wherever_they_come_from():
    # given
    elsewhere = START.astimezone(dt.timezone(dt.timedelta(hours=9)))
    # then
    assert mail_of(changed(OPENED, started_at=elsewhere)).text == mail_of(OPENED).text


@pytest.mark.parametrize("event", [OPENED, RESOLVED])
def test_the_html_says_what_the_text_says_and_loads_nothing(event):
    # when
    mail = mail_of(event)
    page = Page(mail.html)
    # then
    values = [line.split(":", 1)[1].strip() for line in mail.text.splitlines() if ":  " in line]
    for value in values:
        assert value in page.text, value
    assert {tag for tag, _ in page.tags}.isdisjoint({"img", "script", "link", "iframe", "style"})
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert links == [event.url]
    assert "url(" not in mail.html
    assert ("meta", {"name": "color-scheme", "content": "light dark"}) in page.tags


@pytest.mark.parametrize(("event", "colour"), [(OPENED, "#b3261e"), (RESOLVED, "#12703f")])
def test_the_header_is_red_when_down_and_green_when_up(event, colour):
    # when
    page = Page(mail_of(event).html)
    # then: white on the colour, whatever a dark mode makes of the rest
    [header] = [attributes for _, attributes in page.tags if "bgcolor" in attributes]
    assert header["bgcolor"] == colour
    assert "color:#ffffff" in header["style"]


def test_an_address_that_is_no_web_address_is_not_linked():
    page = Page(mail_of(changed(OPENED, url="javascript:alert(1)")).html)
    assert [tag for tag, _ in page.tags if tag == "a"] == []


def test_without_evidence_there_is_no_line_for_it():
    mail = mail_of(changed(OPENED, evidence=""))
    assert "Evidence" not in mail.text + mail.html


# Hostile text

HOSTILE = st.text() | st.sampled_from(
    [
        "x\r\nBcc: victim@example.org",
        "x\nTo: victim@example.org",
        "x\u2028y\u2029z\x85",
        "\u202egnp.exe",
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{ 7 * 7 }}{% raw %}",
        "\ud800",
        "x" * 5000,
        "=?utf-8?q?x=0D=0ABcc:_victim=40example.org?=",
        "=?utf-8?b?DQpCY2M6IHg=?= =?utf-8?q?=00=1B[2J?=",
        "für für Büro",
    ]
)


FIELDS = [
    "From", "To", "Subject", "Message-ID", "Date", "Auto-Submitted", "MIME-Version", "Content-Type"
]  # fmt: skip


@given(name=HOSTILE, evidence=HOSTILE, path=HOSTILE)
def test_no_text_brings_headers_lines_or_markup_with_it(name, evidence, path):
    # given
    url = f"https://example.com/{path}"
    event = changed(OPENED, website_name=name, evidence=evidence, url=url)
    # when
    mail = mail_of(event)
    message = sent(mail)
    # then what is written is what is read, and there is nothing else
    assert message["Subject"] == mail.subject
    assert message.keys() == FIELDS
    assert mail.subject.isprintable()
    assert len(mail.subject) < 300
    assert "Bcc" not in message
    assert len(message.get_all("To")) == 1
    assert len(mail.text.splitlines()) == len(mail_of(OPENED).text.splitlines()) - (
        not "".join(c if c.isprintable() else " " for c in evidence[:400]).split()
    )
    plain = [tag for tag, _ in Page(mail_of(OPENED).html).tags]
    tags = [tag for tag, _ in Page(mail.html).tags]
    assert set(tags) <= set(plain)
    assert len(tags) <= len(plain)


@pytest.mark.parametrize(
    "name",
    [
        "=?utf-8?q?x=0D=0ABcc:_victim=40example.org?=",
        "=?utf-8?b?eA==?=",
        "=?utf-8?q?a?= =?utf-8?q?b?=",
        "für für Büro",
        "日本語のウェブサイト",
    ],
)
def test_a_name_reads_as_it_was_written(name):
    # when
    message = sent(mail_of(changed(OPENED, website_name=name)))
    # then
    assert message["Subject"] == f"Down: {name} (example.com) - HTTP 503 from europe"
    assert "Bcc" not in message


@given(HOSTILE)
def test_the_senders_name_is_text(name):
    message = sent(mail_of(OPENED), MailAddress("alerts@monitor.example", name))
    (sender,) = message["From"].addresses
    assert sender.addr_spec == "alerts@monitor.example"
    assert message.keys() == FIELDS


def test_a_subject_is_ascii_where_the_name_is():
    assert compose(mail_of(OPENED), SENDER).splitlines()[2] == (
        b"Subject: Down: Example shop (example.com) - HTTP 503 from europe"
    )


@pytest.mark.parametrize("event", [OPENED, RESOLVED])
def test_a_mail_is_sent_in_ascii_and_in_short_lines(event):
    mail = compose(mail_of(changed(event, website_name="ü" * 80, evidence="日本" * 90)), SENDER)
    assert mail.isascii()
    assert b"\n" not in mail.replace(b"\r\n", b"")
    assert max(map(len, mail.split(b"\r\n"))) <= 76


def test_what_is_no_recipient_is_refused_for_good():
    for recipient in ("", "nobody", "a@x.example, b@x.example", "a@x.example\r\nBcc: b@x.example"):
        mail = render(OPENED, recipient=recipient, domain="monitor.example")
        with pytest.raises(DeliveryError) as caught:
            compose(mail, SENDER)
        assert caught.value.permanent


def test_templates_in_a_name_are_text():
    mail = mail_of(changed(OPENED, website_name="{{ 7 * 7 }}"))
    assert mail.text.startswith("{{ 7 * 7 }} is down")


# Threads


def test_ids_derive_from_the_notification_and_stay():
    # when
    mail = mail_of(OPENED)
    # then
    assert mail.message_id == f"<{OPENED.notification_id}@monitor.example>"
    assert mail == mail_of(OPENED)
    assert mail.in_reply_to is None


def test_the_mail_of_the_end_answers_the_mail_of_the_beginning():
    assert mail_of(RESOLVED).in_reply_to == mail_of(OPENED).message_id
    assert mail_of(RESOLVED).message_id != mail_of(OPENED).message_id


def test_a_recovery_refers_to_the_message_that_was_sent_whatever_the_sender_is_now():
    # given an opening sent while SMTP_FROM was of another domain
    event = changed(RESOLVED, opened_message_id="<1@before.example>")
    assert mail_of(event).in_reply_to == "<1@before.example>"


def test_each_recipient_has_a_thread_of_their_own():
    # given
    opened = notification_id(INCIDENT, "opened", "email", "boss@example.org")
    event = changed(RESOLVED, opened_notification_id=opened)
    # when
    other = render(event, recipient="boss@example.org", domain="monitor.example")
    # then
    assert other.in_reply_to != mail_of(RESOLVED).in_reply_to
    assert other.recipient == "boss@example.org"
