"""A real SMTP server that keeps what it is sent, and can be taken away and come back."""

import asyncio
import threading
import time
from email import message_from_bytes, policy

from aiosmtpd.smtp import SMTP

from support.ports import free_ports

CUT = "cut"
HANG = "hang"


class Mailbox:
    """Mails as they come; whoever waits is woken by each.

    ``reply``: what the end of a mail is answered with, called with its envelope; a mail whose
    reply begins with a 2 is kept. May be replaced at any time, from any thread. It may also be
    ``CUT``: the mail is kept, and the line cut instead of an answer; or ``HANG``: no answer comes
    for as long as the sender waits.
    """

    def __init__(self):
        self.mails = []
        self.reply = lambda _envelope: "250 OK"
        self.port = free_ports(1)
        self._arrived = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._sessions = []
        self._server = None

    async def handle_DATA(self, server, _session, envelope):  # noqa: N802 - aiosmtpd's name
        reply = self.reply(envelope)
        if reply is CUT or reply.startswith("2"):
            with self._arrived:
                self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
                self._arrived.notify_all()
        if reply is CUT:
            server.transport.abort()
        if reply in (CUT, HANG):
            await asyncio.Event().wait()  # cancelled when the connection has ended
        return reply

    def about(self, text):
        """The subjects of the mails whose text mentions this, in the order they came."""
        with self._arrived:
            return [m["Subject"] for m in self.mails if text in text_of(m)]

    def wait_for(self, text, count, within_s):
        """Until so many mails mention this; returns their subjects."""
        deadline = time.monotonic() + within_s
        with self._arrived:
            while True:
                found = [m["Subject"] for m in self.mails if text in text_of(m)]
                left = deadline - time.monotonic()
                if len(found) >= count or left <= 0:
                    assert len(found) >= count, f"{len(found)} mails about {text}: {found}"
                    return found
                self._arrived.wait(left)

    def listen(self):
        """Take mails, on the same port as ever."""
        self._server = self._run(self._loop.create_server(self._session, "127.0.0.1", self.port))

    def refuse(self):
        """Break every connection off and refuse new ones."""
        self._run(self._leave())

    async def _leave(self):
        self._server.close()
        for session in self._sessions:
            if session.transport is not None:
                session.transport.abort()
        self._sessions.clear()

    def _session(self):
        session = SMTP(self, loop=self._loop)
        self._sessions.append(session)
        return session

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def __enter__(self):
        self._thread.start()
        self.listen()
        return self

    def __exit__(self, *_):
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def text_of(mail):
    return mail.get_body(("plain",)).get_content()
