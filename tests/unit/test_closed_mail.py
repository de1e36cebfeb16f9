"""The mails about closed incidents say what happened to which websites, and what follows."""

import datetime as dt
from uuid import UUID

import msgspec
import pytest

from monitor.channels.contract import ClosedEvent
from monitor.channels.email.message import render_closed
from monitor.domain.incident import ClosedIncident, Closing
from monitor.domain.outcome import Reason
from support.pages import Page

ONE = ClosedIncident(
    incident_id=UUID("0197a000-0000-7000-8000-0000000000aa"),
    website_id=UUID("0197a000-0000-7000-8000-00000000000a"),
    website_name="Example shop",
    url="https://example.com/cart?a=1&b=2",
    started_at=dt.datetime(2026, 11, 23, 21, 5, 3, tzinfo=dt.UTC),
    cause=Reason.HTTP_STATUS,
    status_code=503,
    regions=("europe",),
    opened_notification_id=UUID("0197a000-0000-7000-8000-0000000000bb"),
)
WHILE_PAUSED = (
    "While they are paused they are not checked, and you will not be told when they are up again."
)
BLOG = msgspec.structs.replace(ONE, website_name="Blog", url="https://blog.example/")


def mail_of(how, *incidents, more=0):
    event = ClosedEvent(
        notification_id=UUID("0197a000-0000-7000-8000-0000000000cc"),
        how=how,
        closed_at=ONE.started_at + dt.timedelta(minutes=12, seconds=40),
        total=len(incidents) + more,
        incidents=incidents,
    )
    return render_closed(event, recipient="ops@example.org", domain="monitor.example")


def changed(**fields):
    return msgspec.structs.replace(ONE, **fields)


@pytest.mark.parametrize(
    ("how", "subject"),
    [
        (Closing.PAUSED, "Paused: Example shop (example.com) - was down 12 min"),
        (Closing.DELETED, "Deleted: Example shop (example.com) - was down 12 min"),
        (Closing.REGION_REMOVED, "No longer checked: Example shop (example.com) - was down 12 min"),
    ],
)
def test_the_subject_names_one_website_and_counts_several(how, subject):
    label = subject.split(":")[0]
    assert mail_of(how, ONE).subject == subject
    assert mail_of(how, ONE, BLOG, more=7).subject == f"{label}: 9 websites that were down"


@pytest.mark.parametrize(
    ("how", "ended", "first", "last"),
    [
        (
            Closing.PAUSED,
            "Paused:    ",
            "Example shop was paused while it was down: HTTP 503.",
            "While it is paused it is not checked, and you will not be told when it is up again.",
        ),
        (
            Closing.DELETED,
            "Deleted:   ",
            "Example shop was deleted while it was down: HTTP 503.",
            "It is no longer checked, and you will not be told when it is up again.",
        ),
        (
            Closing.REGION_REMOVED,
            "Until:     ",
            "Example shop is no longer checked from where it was down (europe): HTTP 503.",
            "You will get another mail if other regions find it down.",
        ),
    ],
)
def test_the_text_about_one_website(how, ended, first, last):
    assert mail_of(how, ONE).text == (
        f"{first}\n"
        "\n"
        "Website:    https://example.com/cart?a=1&b=2\n"
        "Down since: 2026-11-23 21:05:03 UTC\n"
        f"{ended} 2026-11-23 21:17:43 UTC\n"
        "\n"
        f"{last}\n"
        "\n"
        "Website id: 0197a000-0000-7000-8000-00000000000a\n"
        "Incident:   0197a000-0000-7000-8000-0000000000aa\n"
    )


@pytest.mark.parametrize(
    ("how", "first", "last"),
    [
        (
            Closing.PAUSED,
            "9 websites were paused while they were down.",
            WHILE_PAUSED,
        ),
        (
            Closing.DELETED,
            "9 websites were deleted while they were down.",
            "They are no longer checked, and you will not be told when they are up again.",
        ),
        (
            Closing.REGION_REMOVED,
            "9 websites are no longer checked from where they were down.",
            "You will get another mail if other regions find them down.",
        ),
    ],
)
def test_the_text_about_several_websites(how, first, last):
    assert mail_of(how, ONE, BLOG, more=7).text == (
        f"{first}\n"
        "\n"
        "- Example shop: https://example.com/cart?a=1&b=2\n"
        "  down since 2026-11-23 21:05:03 UTC\n"
        "- Blog: https://blog.example/\n"
        "  down since 2026-11-23 21:05:03 UTC\n"
        "and 7 more\n"
        "\n"
        f"{last}\n"
    )


def test_a_list_that_is_complete_counts_no_more():
    mail = mail_of(Closing.PAUSED, ONE, BLOG)
    assert " more" not in mail.text + Page(mail.html).text


def test_a_region_is_named_where_it_was_removed_and_known():
    removed = mail_of(Closing.REGION_REMOVED, changed(regions=("asia", "europe"))).text
    assert removed.startswith("Example shop is no longer checked from where it was down (asia, eu")
    unknown = mail_of(Closing.REGION_REMOVED, changed(regions=())).text
    assert unknown.startswith("Example shop is no longer checked from where it was down: HTTP 503.")
    assert "europe" not in mail_of(Closing.PAUSED, ONE).text


@pytest.mark.parametrize("how", Closing)
@pytest.mark.parametrize("incidents", [(ONE,), (ONE, BLOG)], ids=["one", "several"])
def test_the_html_says_what_the_text_says(how, incidents):
    mail = mail_of(how, *incidents)
    page = Page(mail.html)
    first, *_ = mail.text.splitlines()
    assert first in page.text
    for one in incidents:
        assert one.website_name in page.text
    assert "2026-11-23 21:05:03 UTC" in page.text
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert links == [one.url for one in incidents]
    [header] = [attributes for _, attributes in page.tags if "bgcolor" in attributes]
    assert header["bgcolor"] == "#4b5563"
    assert {tag for tag, _ in page.tags}.isdisjoint({"img", "script", "link", "iframe", "style"})


def test_one_website_answers_the_mail_of_its_beginning():
    named = f"<{ONE.opened_notification_id}@monitor.example>"
    assert mail_of(Closing.PAUSED, ONE).in_reply_to == named
    before = changed(opened_message_id="<1@before.example>")
    assert mail_of(Closing.PAUSED, before).in_reply_to == "<1@before.example>"


def test_one_website_that_is_not_named_is_one_website():
    mail = mail_of(Closing.PAUSED, more=1)
    assert mail.subject == "Paused: 1 website that was down"
    assert mail.text.startswith("1 website was paused while it was down.\n")
    assert "1 website" in Page(mail.html).text
    assert "websites" not in Page(mail.html).text


def test_several_websites_answer_no_mail():
    mail = mail_of(Closing.PAUSED, ONE, BLOG)
    assert mail.in_reply_to is None
    assert mail.message_id == "<0197a000-0000-7000-8000-0000000000cc@monitor.example>"


@pytest.mark.parametrize(
    "hostile",
    [
        "x\r\nBcc: victim@example.org",
        "<script>alert(1)</script>",
        "{{ 7 * 7 }}",
        "{}{0}%s",
        "x" * 5000,
    ],
)
@pytest.mark.parametrize("several", [False, True])
def test_no_name_brings_lines_or_markup_with_it(hostile, several):
    strange = changed(website_name=hostile, url=f"https://example.com/{hostile}")
    more = [BLOG] if several else []
    mail, plain = mail_of(Closing.PAUSED, strange, *more), mail_of(Closing.PAUSED, ONE, *more)
    assert mail.subject.isprintable()
    assert len(mail.subject) < 300
    assert len(mail.text.splitlines()) == len(plain.text.splitlines())
    assert [tag for tag, _ in Page(mail.html).tags] == [tag for tag, _ in Page(plain.html).tags]
