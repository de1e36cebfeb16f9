"""The mails of incidents: "Down: ..." and, in the same thread, "Up again: ..." or "Paused: ...".

Pure."""

from __future__ import annotations

import datetime as dt
import re
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from msgspec import Struct

from monitor.channels.contract import ClosedEvent, IncidentEvent
from monitor.channels.email import headers
from monitor.channels.reason_texts import words_of
from monitor.domain.errors import DeliveryError
from monitor.domain.incident import ClosedIncident, Closing, Event
from monitor.domain.outcome import printable
from monitor.resources import mail_address
from monitor.resources.mail_address import InvalidAddress, MailAddress

_NAME_LIMIT = 80
_URL_LIMIT = 2048
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,996}>")

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Mail(Struct, frozen=True, kw_only=True):
    """One mail to one recipient, as plain text and as HTML.

    ``message_id`` and ``in_reply_to`` are message identifiers with their angle brackets
    (RFC 5322, section 3.6.4).
    """

    recipient: str
    subject: str
    text: str
    html: str
    message_id: str
    in_reply_to: str | None = None


def render(event: IncidentEvent, *, recipient: str, domain: str) -> Mail:
    """The mail about this event. Foreign text in it is one line, printable and bounded.

    Its id derives from the notification and the sender's ``domain``, so mail programs that compare
    ids show a mail that was sent twice once. The mail about a resolved incident answers the one
    that told this recipient of its beginning.
    """
    words = words_of(event.cause, event.status_code)
    shown = {
        "name": printable(event.website_name, _NAME_LIMIT),
        "url": printable(event.url, _URL_LIMIT),
        "website_id": event.website_id,
        "incident_id": event.incident_id,
        "linked": event.url.startswith(("http://", "https://")),
        "brief": words.brief,
        "meaning": words.meaning,
        "evidence": printable(event.evidence),
        "regions": ", ".join(event.regions),
        "started_at": _utc(event.started_at),
        "resolved_at": event.resolved_at and _utc(event.resolved_at),
        "lasted": event.resolved_at and humane(event.resolved_at - event.started_at),
        "up": event.type is Event.RESOLVED,
    }
    return Mail(
        recipient=recipient,
        subject=_subject(event, words.brief),
        text=_templates.get_template("incident.txt").render(shown),
        html=_templates.get_template("incident.html").render(shown),
        message_id=f"<{event.notification_id}@{domain}>",
        in_reply_to=_opened_message(event, domain) if event.type is Event.RESOLVED else None,
    )


def _subject(event: IncidentEvent, brief: str) -> str:
    website = _website(event)
    if event.type is Event.OPENED:
        return f"Down: {website} - {brief} from {_places(event.regions)}"
    if event.resolved_at is None:
        return f"Up again: {website}"
    return f"Up again: {website} - was down {humane(event.resolved_at - event.started_at)}"


class _ClosedWords(Struct, frozen=True):
    """``ended`` stands before the time; ``did`` follows one website's name, or their number."""

    label: str
    ended: str
    did_one: str
    did_many: str
    meaning_one: str
    meaning_many: str


_CLOSED_WORDS = {
    Closing.PAUSED: _ClosedWords(
        "Paused",
        "Paused",
        "was paused while it was down",
        "were paused while they were down",
        "While it is paused it is not checked, and you will not be told when it is up again.",
        "While they are paused they are not checked, and you will not be told when they are up"
        " again.",
    ),
    Closing.DELETED: _ClosedWords(
        "Deleted",
        "Deleted",
        "was deleted while it was down",
        "were deleted while they were down",
        "It is no longer checked, and you will not be told when it is up again.",
        "They are no longer checked, and you will not be told when they are up again.",
    ),
    Closing.REGION_REMOVED: _ClosedWords(
        "No longer checked",
        "Until",
        "is no longer checked from where it was down",
        "are no longer checked from where they were down",
        "You will get another mail if other regions find it down.",
        "You will get another mail if other regions find them down.",
    ),
}


def render_closed(event: ClosedEvent, *, recipient: str, domain: str) -> Mail:
    """The mail about closed incidents. Of several websites it names the first, and counts the rest.

    Foreign text and the mail's id are as in ``render``. The mail about a single incident answers
    the one that told this recipient of its beginning.
    """
    one = event.incidents[0] if event.total == 1 and event.incidents else None
    words = _CLOSED_WORDS[event.how]
    shown = {
        "label": words.label,
        "headline": _headline(event, one, words),
        "meaning": words.meaning_one if event.total == 1 else words.meaning_many,
        "ended": words.ended,
        "closed_at": _utc(event.closed_at),
        "one": one and _shown_closed(one, event.closed_at),
        "counted": counted(event.total),
        "were": "was" if event.total == 1 else "were",
        "more": event.total - len(event.incidents),
        "incidents": [_shown_closed(each, event.closed_at) for each in event.incidents],
    }
    return Mail(
        recipient=recipient,
        subject=_closed_subject(event, one, words),
        text=_templates.get_template("closed.txt").render(shown),
        html=_templates.get_template("closed.html").render(shown),
        message_id=f"<{event.notification_id}@{domain}>",
        in_reply_to=_opened_message(one, domain) if one else None,
    )


def _headline(event: ClosedEvent, one: ClosedIncident | None, words: _ClosedWords) -> str:
    if one is None:
        did = words.did_one if event.total == 1 else words.did_many
        return f"{counted(event.total)} {did}."
    name, brief = printable(one.website_name, _NAME_LIMIT), words_of(one.cause, one.status_code)
    removed = one.regions if event.how is Closing.REGION_REMOVED else ()
    places = f" ({', '.join(removed)})" if removed else ""
    return f"{name} {words.did_one}{places}: {brief.brief}."


def counted(websites: int) -> str:
    """Such as "1 website" and "57 websites"."""
    return f"{websites:,} website{'' if websites == 1 else 's'}"


def _shown_closed(one: ClosedIncident, closed_at: dt.datetime) -> dict[str, object]:
    return {
        "name": printable(one.website_name, _NAME_LIMIT),
        "url": printable(one.url, _URL_LIMIT),
        "linked": one.url.startswith(("http://", "https://")),
        "website_id": one.website_id,
        "incident_id": one.incident_id,
        "started_at": _utc(one.started_at),
        "lasted": humane(closed_at - one.started_at),
    }


def _closed_subject(event: ClosedEvent, one: ClosedIncident | None, words: _ClosedWords) -> str:
    if one is None:
        are = "was" if event.total == 1 else "were"
        return f"{words.label}: {counted(event.total)} that {are} down"
    return f"{words.label}: {_website(one)} - was down {humane(event.closed_at - one.started_at)}"


def _opened_message(event: IncidentEvent | ClosedIncident, domain: str) -> str:
    """The id of the mail that told this recipient of the beginning."""
    return event.opened_message_id or f"<{event.opened_notification_id}@{domain}>"


def _website(event: IncidentEvent | ClosedIncident) -> str:
    name, host = printable(event.website_name, _NAME_LIMIT), _host(event.url)
    return name if host in ("", name) else f"{name} ({host})"


def _host(url: str) -> str:
    try:
        host = urlsplit(url).hostname
    except ValueError:  # not a URL at all: the name alone has to do
        return ""
    return printable(host or "", _NAME_LIMIT)


def _places(regions: tuple[str, ...]) -> str:
    """Up to two regions by name, more by number."""
    return " and ".join(regions) if len(regions) < 3 else f"{len(regions)} regions"


def _utc(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


def humane(span: dt.timedelta) -> str:
    """A duration in its two largest units: ``45 s``, ``12 min``, ``1 h 5 min``, ``2 d 3 h``."""
    seconds = max(int(span.total_seconds()), 0)
    if seconds < 60:
        return f"{seconds} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if hours == 0:
        return f"{minutes} min"
    parts = ((hours, "h"), (minutes % 60, "min")) if days == 0 else ((days, "d"), (hours % 24, "h"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


def compose(mail: Mail, sender: MailAddress) -> bytes:
    """The message as sent (RFC 5322), in ASCII, marked as automatic (RFC 3834, section 5).

    Raises a permanent DeliveryError if the recipient or an id is invalid.
    """
    head = [
        headers.address_field("From", sender.address, sender.name),
        headers.address_field("To", recipient_of(mail)),
        headers.text_field("Subject", mail.subject),
        headers.token_field("Message-ID", _own_id(mail)),
    ]
    answered = mail.in_reply_to or ""
    if _MESSAGE_ID.fullmatch(answered):  # another channel's may be none: the mail comes first
        head += [headers.token_field(name, answered) for name in ("In-Reply-To", "References")]
    head += [
        headers.token_field("Date", format_datetime(dt.datetime.now(dt.UTC))),
        headers.token_field("Auto-Submitted", "auto-generated"),
    ]
    return b"".join(head) + _body(mail)


def recipient_of(mail: Mail) -> str:
    """The recipient's address alone, in ASCII. Raises a permanent DeliveryError if it is none."""
    try:
        return mail_address.one(mail.recipient).address
    except InvalidAddress as error:
        raise DeliveryError(f"the recipient's address {error.why}", permanent=True) from None


def _own_id(mail: Mail) -> str:
    if not _MESSAGE_ID.fullmatch(mail.message_id):
        raise DeliveryError(f"no message identifier: {printable(mail.message_id)}", permanent=True)
    return mail.message_id


def _body(mail: Mail) -> bytes:
    """The text and the HTML with the header fields of MIME, which hold no text of others."""
    # Every server takes quoted-printable, whose lines have 76 characters (RFC 2045, section 6.7).
    body = EmailMessage(policy=policy.SMTP.clone(max_line_length=76))
    body.set_content(mail.text, cte="quoted-printable")
    body.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    return body.as_bytes()
