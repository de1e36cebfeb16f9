"""E-mail through an SMTP server (RFC 5321), over STARTTLS (RFC 3207), TLS (RFC 8314) or plain."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from enum import StrEnum

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from monitor.channels.email.message import Mail, compose, recipient_of
from monitor.domain.errors import DeliveryError
from monitor.domain.outcome import printable
from monitor.resources.mail_address import MailAddress

_TIMEOUT_S = 20.0
"""For a whole delivery, from connecting to the server's acceptance of the mail."""
_GOODBYE_S = 2.0

# "Authentication required", "... too weak", "... failed", "encryption required" (RFC 4954,
# section 6; RFC 3207): for the operator to put right; the mail is not at fault.
_LOGIN_CODES = frozenset({530, 534, 535, 538})


class Tls(StrEnum):
    """How the connection to the mail server is encrypted."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class MailServer:
    """The mail server that takes our mails, each over a connection of its own."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        user: str | None,
        password: str | None,
        tls: str,
        sender: MailAddress,
        tls_context: ssl.SSLContext | None = None,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        """``tls``: a value of ``Tls``; ``tls_context``: whom to trust instead of the system's
        authorities."""
        self._host = host
        self._port = port
        self._user = user
        self._password = password
        self._tls = Tls(tls)
        self._sender = sender
        self._tls_context = tls_context
        self._timeout_s = timeout_s

    @property
    def sender_domain(self) -> str:
        return self._sender.domain

    async def send(self, mail: Mail) -> str:
        """Hand a mail to the server; returns its answer once it has taken responsibility.

        Raises DeliveryError: permanent if the server refuses this mail or its address is invalid,
        passing for everything that time or the operator may put right.
        """
        message, recipient = compose(mail, self._sender), recipient_of(mail)
        client = self._client()
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._connect(client)
                answer = await self._hand_over(client, message, recipient)
            await _quit(client)
            return answer
        except TimeoutError as error:
            problem = f"{self._host} did not finish within {self._timeout_s:g} s"
            raise DeliveryError(problem, permanent=False) from error
        finally:
            client.close()

    def _client(self) -> SMTP:
        return SMTP(
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=self._password,
            use_tls=self._tls is Tls.TLS,
            start_tls=self._tls is Tls.STARTTLS,
            tls_context=self._tls_context,
            # Else the library asks DNS for our own name.
            local_hostname=self._sender.domain,
            timeout=self._timeout_s,
        )

    async def _connect(self, client: SMTP) -> None:
        """Connect, encrypt, log in. A failure here says nothing about the mail."""
        try:
            await client.connect()
        except SMTPAuthenticationError as error:
            problem = f"{self._host} refused the login of SMTP_USER: {_reply(error)}"
            raise DeliveryError(problem, permanent=False) from error
        except SMTPResponseException as error:
            problem = f"{self._host} refused the connection: {_reply(error)}"
            raise DeliveryError(problem, permanent=False) from error
        except TimeoutError:
            raise
        except (SMTPException, OSError, ValueError) as error:
            problem = f"no connection to {self._host}:{self._port}: {printable(str(error))}"
            raise DeliveryError(problem, permanent=False) from error

    async def _hand_over(self, client: SMTP, message: bytes, recipient: str) -> str:
        try:
            _, answer = await client.sendmail(self._sender.address, [recipient], message)
            return answer
        except SMTPRecipientsRefused as error:
            refused = error.recipients[0]
            problem = f"{self._host} refused the recipient: {_reply(refused)}"
            raise DeliveryError(problem, permanent=_is_permanent(refused)) from error
        except SMTPSenderRefused as error:
            # True of all recipients: were it permanent, a wrong SMTP_FROM would lose every alarm.
            problem = f"{self._host} refused the sender, SMTP_FROM: {_reply(error)}"
            raise DeliveryError(problem, permanent=False) from error
        except SMTPResponseException as error:
            problem = f"{self._host} refused the mail: {_reply(error)}"
            raise DeliveryError(problem, permanent=_is_permanent(error)) from error
        except (SMTPNotSupported, ValueError) as error:
            problem = f"{self._host} cannot take this address: {printable(str(error))}"
            raise DeliveryError(problem, permanent=True) from error
        except TimeoutError:
            raise
        except (SMTPException, OSError) as error:
            problem = f"lost the connection to {self._host}: {printable(str(error))}"
            raise DeliveryError(problem, permanent=False) from error


async def _quit(client: SMTP) -> None:
    """Say goodbye. The server has the mail already, so a failure no longer matters."""
    with contextlib.suppress(SMTPException, OSError, TimeoutError):
        await client.quit(timeout=_GOODBYE_S)


def _is_permanent(error: SMTPResponseException) -> bool:
    """Whether a reply is a permanent one (RFC 5321, section 4.2.1) about the mail itself."""
    return error.code >= 500 and error.code not in _LOGIN_CODES


def _reply(error: SMTPResponseException) -> str:
    return printable(f"{error.code} {error.message}")
