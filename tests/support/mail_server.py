"""A mail, and a MailServer that sends it to a server of the tests."""

import msgspec
import pytest

from monitor.channels.email.message import Mail
from monitor.channels.email.smtp import MailServer
from monitor.domain.errors import DeliveryError
from monitor.resources.mail_address import MailAddress

MAIL = Mail(
    recipient="ops@example.org",
    subject="Down: Ärzteshop (example.com) - HTTP 503 from europe",
    text="Ärzteshop is down.\n" + "x" * 2000 + "\n",
    html="<p>Ärzteshop is <b>down</b>.</p>",
    message_id="<0197a000-0000-7000-8000-00000000000a@monitor.example>",
    in_reply_to="<0197a000-0000-7000-8000-00000000000b@monitor.example>",
)


SENDER = MailAddress("alerts@monitor.example", "Monitor")


def server_on(port, *, tls="none", sender=SENDER, **how):
    login = {"user": None, "password": None} | how
    return MailServer(host="127.0.0.1", port=port, tls=tls, sender=sender, **login)


def mail(**fields):
    """The usual mail but for these fields."""
    return msgspec.structs.replace(MAIL, **fields)


async def refused(sending):
    """The DeliveryError that it must end in."""
    with pytest.raises(DeliveryError) as caught:
        await sending
    return caught.value
