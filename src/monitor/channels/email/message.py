"""The mails of an incident: "Down: ..." and, in the same thread, "Up again: ...". Pure."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from msgspec import Struct

from monitor.channels.email.mail import Mail, domain_of
from monitor.channels.reason_texts import words_of
from monitor.domain.ids import notification_id
from monitor.domain.incident import Event
from monitor.domain.outcome import Reason, printable

_NAME_LIMIT = 80
_URL_LIMIT = 2048

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class IncidentEvent(Struct, frozen=True, kw_only=True):
    """What there is to say to one recipient. Times are aware; ``resolved_at`` is None while open.

    ``regions``: those that held the website down when the incident opened.
    """

    notification_id: UUID
    incident_id: UUID
    event: Event
    website_id: UUID
    website_name: str
    url: str
    started_at: dt.datetime
    resolved_at: dt.datetime | None
    cause: Reason
    status_code: int
    evidence: str
    regions: tuple[str, ...]
    recipient: str


def render(event: IncidentEvent, *, sender: str) -> Mail:
    """The mail that tells of this event. Foreign text in it is one line, printable and bounded.

    Its id derives from the notification, so that a mail sent twice is one to mail programs that
    look; the mail of a resolved incident answers the one that told this recipient it had opened.
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
        "up": event.event is Event.RESOLVED,
    }
    domain = domain_of(sender)
    opened = notification_id(event.incident_id, Event.OPENED.value, "email", event.recipient)
    return Mail(
        recipient=event.recipient,
        subject=_subject(event, words.brief),
        text=_templates.get_template("incident.txt").render(shown),
        html=_templates.get_template("incident.html").render(shown),
        message_id=f"<{event.notification_id}@{domain}>",
        in_reply_to=f"<{opened}@{domain}>" if event.event is Event.RESOLVED else None,
    )


def _subject(event: IncidentEvent, brief: str) -> str:
    website = _website(event)
    if event.event is Event.OPENED:
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
