"""The e-mail channel: an incident's event becomes a mail, and the mail server takes it."""

from __future__ import annotations

from monitor.channels.contract import ChannelEvent, ClosedEvent, Delivery
from monitor.channels.email.message import Mail, render, render_closed
from monitor.channels.email.smtp import MailServer
from monitor.runtime.settings import Settings


class EmailChannel:
    """Sends mails through one mail server. A recipient's config is an e-mail address."""

    def __init__(self, server: MailServer) -> None:
        self._server = server

    @classmethod
    def from_settings(cls, settings: Settings) -> EmailChannel:
        """Raises SettingsError where there is no SMTP_HOST, or no sender."""
        return cls(MailServer.from_settings(settings))

    async def send(self, event: ChannelEvent, config: str) -> Delivery:
        mail = self._rendered(event, config)
        response = await self._server.send(mail)
        return Delivery(mail.message_id, response, self._server.name)

    def _rendered(self, event: ChannelEvent, recipient: str) -> Mail:
        domain = self._server.sender_domain
        if isinstance(event, ClosedEvent):
            return render_closed(event, recipient=recipient, domain=domain)
        return render(event, recipient=recipient, domain=domain)

    async def log_in(self) -> str:
        await self._server.log_in()
        return self._server.name

    async def close(self) -> None:
        """Each mail has a connection of its own: nothing is left open."""
