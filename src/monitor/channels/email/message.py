"""The mails of an incident: "Down: ..." and, in the same thread, "Up again: ...". Pure."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from msgspec import Struct

from monitor.channels.contract import IncidentEvent
from monitor.channels.reason_texts import words_of
from monitor.domain.incident import Event
from monitor.domain.outcome import printable

_NAME_LIMIT = 80
_URL_LIMIT = 2048

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
    opened = event.opened_message_id or f"<{event.opened_notification_id}@{domain}>"
    return Mail(
        recipient=recipient,
        subject=_subject(event, words.brief),
        text=_templates.get_template("incident.txt").render(shown),
        html=_templates.get_template("incident.html").render(shown),
        message_id=f"<{event.notification_id}@{domain}>",
        in_reply_to=opened if event.type is Event.RESOLVED else None,
    )


def _subject(event: IncidentEvent, brief: str) -> str:
    website = _website(event)
    if event.type is Event.OPENED:
        return f"Down: {website} — {brief} from {_places(event.regions)}"
    if event.resolved_at is None:
        return f"Up again: {website}"
    return f"Up again: {website} — was down {humane(event.resolved_at - event.started_at)}"


def _website(event: IncidentEvent) -> str:
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
