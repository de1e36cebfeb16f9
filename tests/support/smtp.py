"""Mail servers on loopback, in the test's own event loop: real ones, and a scripted one."""

import asyncio
import contextlib
from contextlib import asynccontextmanager
from email import message_from_bytes, policy

from aiosmtpd.smtp import SMTP


class Inbox:
    """Keeps what a server took, and answers RCPT, MAIL or DATA as told."""

    def __init__(self, **replies):
        self._replies = replies
        self.mails = []
        self.envelopes = []
        self.sessions = []
        self.senders_named = 0

    async def handle_MAIL(self, _server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's name
        self.senders_named += 1
        self.sessions.append(session)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self._replies.get("mail", "250 OK")

    async def handle_RCPT(self, _server, _session, envelope, address, options):  # noqa: N802 - aiosmtpd's name
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return self._replies.get("rcpt", "250 OK")

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - aiosmtpd's name
        reply = self._replies.get("data", "250 OK")
        if reply.startswith("2"):
            self.envelopes.append(envelope)
            self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return reply


class _Session(SMTP):
    """One connection; ``over`` is set when it has ended."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.over = asyncio.Event()

    def connection_made(self, transport):
        # aiosmtpd closes twice, and a connection over TLS that is closed twice cannot be aborted
        # any more in Python 3.11.2, which is Debian 12's.
        close = transport.close
        transport.close = lambda: None if transport.is_closing() else close()
        super().connection_made(transport)

    def connection_lost(self, error):
        super().connection_lost(error)
        self.over.set()


@asynccontextmanager
async def serving(inbox, *, tls_from_start=None, starttls=None, **options):
    """A real SMTP server for the length of a block; yields its port."""
    loop, sessions = asyncio.get_running_loop(), []

    def session():
        made = _Session(inbox, loop=loop, hostname="mail.test", tls_context=starttls, **options)
        sessions.append(made)
        return made

    server = await loop.create_server(session, "127.0.0.1", 0, ssl=tls_from_start)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for made in sessions:
            if made.transport is not None:
                made.transport.abort()
                # aiosmtpd does not hear of a connection whose handshake failed.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(made.over.wait(), 0.3)


@asynccontextmanager
async def scripted(*, greeting="220 mail.test", after_data=None, **replies):
    """A server that answers each command as told, else 250; yields (port, commands it got).

    A reply of None says nothing more and keeps the connection open. ``after_data``: what follows
    the end of a mail; ``"cut"`` ends the connection there instead.
    """
    commands, conversations, over = [], [], asyncio.Event()

    async def converse(reader, writer):
        def say(line):
            writer.write(f"{line}\r\n".encode())

        say(greeting)
        while line := (await reader.readline()).decode().strip():
            verb = line.split()[0].lower()
            commands.append(verb)
            reply = replies.get(verb, "354 go on" if verb == "data" else "250 OK")
            if reply is None:
                await over.wait()
                return
            say(reply)
            if verb == "data":
                await reader.readuntil(b"\r\n.\r\n")
                if after_data == "cut":
                    return
                say(after_data or "250 OK")

    async def serve(reader, writer):
        conversations.append(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await converse(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], commands
    finally:
        over.set()
        server.close()
        await asyncio.gather(*conversations)
