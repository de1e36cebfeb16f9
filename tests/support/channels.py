"""Channels with another side that answers as told: e-mail, and a second one made up for tests.

Both are opened through the registry, as a worker does.
"""

import asyncio
import contextlib
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from monitor.channels import email, registry
from monitor.channels.contract import ClosedEvent, Delivery
from monitor.channels.reason_texts import words_of
from monitor.channels.registry import Channels
from monitor.domain.errors import DeliveryError
from monitor.domain.incident import Event
from monitor.domain.outcome import printable
from monitor.runtime.settings import load
from support.smtp import Inbox, serving

ACCEPT, LATER, NEVER, HANG = "accept", "later", "never", "hang"


@dataclass(frozen=True)
class Message:
    """What the other side was sent: for whom, its id, the id of what it answers, and its text."""

    recipient: str
    id: str
    answers: str | None
    text: str


class OtherSide:
    """``then``: what it does with each message; ``comment``: what it adds to its answer."""

    def __init__(self, kind, channels, recipients):
        self.kind = kind
        self.channels = channels
        self.recipients = recipients
        self.then = ACCEPT
        self.comment = ""
        self.received = []
        self.tries = 0
        self.over = asyncio.Event()

    async def answer(self, answers):
        """The answer to give now, out of {then: answer}."""
        self.tries += 1
        if self.then == HANG:
            await self.over.wait()
        return f"{answers.get(self.then, '')} {self.comment}".strip()


class _Inbox(Inbox):
    def __init__(self, side):
        super().__init__()
        self._side = side

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        side = self._side
        answer = await side.answer(
            {ACCEPT: "250 taken", LATER: "451 later", NEVER: "550 5.1.1 never"}
        )
        if side.then == ACCEPT:
            await super().handle_DATA(server, session, envelope)
            mail, (recipient,) = self.mails[-1], envelope.rcpt_tos
            text = mail.get_body(("plain",)).get_content()
            message = Message(recipient, mail["Message-ID"], mail["In-Reply-To"], text)
            side.received.append(message)
        return answer or "421 too late"


@asynccontextmanager
async def email_side():
    side = OtherSide(email.KIND, None, ("ops@example.org", "boss@example.org"))
    async with serving(_Inbox(side)) as port:
        found = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(port), "SMTP_TLS": "none"}
        found |= {"SMTP_FROM": "alerts@monitor.example"}
        side.channels = Channels.open(load(found, Path("/nonexistent")))
        try:
            yield side
        finally:
            side.over.set()
            await side.channels.close()


class PagerChannel:
    """A line of JSON to a server, and a line back. A config is ``NAME@HOST:PORT``."""

    async def send(self, event, config):
        name, host, port = self._address(config)
        try:
            reader, writer = await asyncio.open_connection(host, port)
        except OSError as error:
            raise DeliveryError(f"{host}: {error}", permanent=False) from error
        try:
            writer.write(self._line(event, name))
            answer = (await reader.readline()).decode()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        verb, _, words = answer.partition(" ")
        if verb == "OK":
            return Delivery(words.split()[0], answer)
        raise DeliveryError(answer or "no answer", permanent=verb == "NEVER")

    async def close(self):
        pass

    def _address(self, config):
        try:
            name, _, server = config.rpartition("@")
            host, _, port = server.rpartition(":")
            return name, host, int(port)
        except ValueError as error:
            raise DeliveryError("not NAME@HOST:PORT", permanent=True) from error

    def _line(self, event, name):
        page = {"to": name, "id": str(event.notification_id)}
        page |= _closed(event) if isinstance(event, ClosedEvent) else _of_one(event)
        return json.dumps(page).encode() + b"\n"


def _of_one(event):
    resolved = event.type is Event.RESOLVED
    text = f"{printable(event.website_name, 80)}: {words_of(event.cause, 0).brief}"
    answers = event.opened_message_id if resolved else None
    return {"answers": answers, "text": f"{text}\n{printable(event.evidence)}"}


def _closed(event):
    names = ", ".join(one.website_name for one in event.incidents)
    answers = event.incidents[0].opened_message_id if event.total == 1 else None
    return {"answers": answers, "text": f"{event.how}: {names} ({event.total})"}


@asynccontextmanager
async def pager_side():
    side, conversations = OtherSide("pager", None, ()), []

    async def take(reader, writer):
        conversations.append(asyncio.current_task())
        page = json.loads(await reader.readline())
        message_id = f"page-{page['id']}"
        answers = {ACCEPT: f"OK {message_id}", LATER: "LATER", NEVER: "NEVER"}
        answer = await side.answer(answers)
        if side.then == ACCEPT:
            to = f"{page['to']}@127.0.0.1:{port}"
            side.received.append(Message(to, message_id, page["answers"], page["text"]))
        with contextlib.suppress(ConnectionError):
            writer.write(f"{answer}\n".encode())
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    side.recipients = (f"ops@127.0.0.1:{port}", f"boss@127.0.0.1:{port}")
    found = {"SMTP_HOST": "127.0.0.1", "SMTP_FROM": "alerts@monitor.example"}
    settings = load(found, Path("/nonexistent"))
    kinds = {**registry.KINDS, "pager": lambda _settings: PagerChannel()}
    side.channels = Channels.open(settings, kinds)
    try:
        yield side
    finally:
        side.over.set()
        server.close()
        await side.channels.close()
        await asyncio.gather(*conversations)
