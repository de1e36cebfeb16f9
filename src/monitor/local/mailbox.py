"""The mailbox of the local stack: an SMTP server on loopback that files all mail."""

from __future__ import annotations

import asyncio
import datetime as dt
import email
import email.policy
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from aiosmtpd.smtp import SMTP, Envelope, Session

from monitor.domain.outcome import printable
from monitor.local.console import Console
from monitor.local.directory import write_private_bytes

_HOST = "127.0.0.1"


class Mailbox:
    """Files each mail as one ``.eml`` in a folder; their names sort by arrival."""

    def __init__(self, folder: Path, console: Console) -> None:
        self._folder = folder
        self._console = console
        self._serial = itertools.count()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Store a mail and report it; a mail that cannot be stored gets a temporary error."""
        content = cast("bytes", envelope.content)
        now = dt.datetime.now(dt.UTC)
        name = f"{now:%Y%m%dT%H%M%S.%fZ}-{next(self._serial):04}.eml"
        try:
            write_private_bytes(self._folder / name, content)
        except OSError as error:
            self._console.say("mail", f"could not be stored: {error.strerror}")
            return "451 4.3.0 The mail could not be stored"
        recipients = ", ".join(envelope.rcpt_tos)
        self._console.say("mail", printable(f"{_subject(content)} → {recipients}"))
        return "250 2.0.0 Stored"


def _subject(content: bytes) -> str:
    message = email.message_from_bytes(content, policy=email.policy.default)
    return str(message["Subject"] or "(no subject)")


@asynccontextmanager
async def mailbox(folder: Path, console: Console) -> AsyncIterator[int]:
    """Serve a mailbox during a block; yields its port on 127.0.0.1."""
    handler = Mailbox(folder, console)
    loop = asyncio.get_running_loop()

    def session() -> Any:
        return SMTP(handler, enable_SMTPUTF8=True, hostname="localhost", loop=loop)

    server = await loop.create_server(session, _HOST, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
