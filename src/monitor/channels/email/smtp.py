"""E-mail through an SMTP server (RFC 5321), over STARTTLS (RFC 3207), TLS (RFC 8314) or plain."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from monitor.channels.email.message import Mail, compose, recipient_of
from monitor.channels.email.replies import Reply, Stage, judge, words
from monitor.domain.delivery import Fault
from monitor.domain.errors import DeliveryError
from monitor.domain.outcome import printable
from monitor.resources.mail_address import MailAddress
from monitor.runtime.settings import Settings

_TIMEOUT_S = 20.0
"""For a whole delivery, from connecting to the server's acceptance of the mail."""
_GOODBYE_S = 2.0


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

    @classmethod
    def from_settings(cls, settings: Settings) -> MailServer:
        """Raises SettingsError where there is no SMTP_HOST, or no sender."""
        return cls(
            host=settings.need("SMTP_HOST"),
            port=settings.smtp_port,
            user=settings.smtp_user,
            password=settings.smtp_pass,
            tls=settings.smtp_tls,
            sender=settings.sender(),
        )

    @property
    def name(self) -> str:
        return f"{self._host}:{self._port}"

    @property
    def sender_domain(self) -> str:
        return self._sender.domain

    async def send(self, mail: Mail) -> str:
        """Hand a mail to the server; returns its answer once it has taken responsibility.

        Raises DeliveryError: permanent if the server takes nothing for this recipient or its
        address is invalid, passing for everything that time or the operator may put right.
        """
        message, recipient = compose(mail, self._sender), recipient_of(mail)
        async with self._session() as client:
            return await self._hand_over(client, message, recipient)

    async def log_in(self) -> None:
        """Connect, encrypt, log in where there is a login, and leave. Raises DeliveryError."""
        async with self._session() as client:
            with self._translated():
                await client.noop()  # greets first, with EHLO or HELO

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[SMTP]:
        """A connection that may send. All that is done with it has one time limit."""
        client = self._client()
        try:
            async with asyncio.timeout(self._timeout_s):
                with self._translated():
                    await self._connect(client)
                yield client
            await _quit(client)
        except TimeoutError as error:
            problem = f"{self._host} did not finish within {self._timeout_s:g} s"
            raise _unreachable(problem) from error
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
        except (TimeoutError, SMTPResponseException):
            raise
        except (SMTPException, OSError, ValueError) as error:
            problem = f"no connection to {self.name}: {printable(str(error))}"
            raise _unreachable(problem) from error

    async def _hand_over(self, client: SMTP, message: bytes, recipient: str) -> str:
        with self._translated():
            try:
                _, answer = await client.sendmail(self._sender.address, [recipient], message)
                return answer
            except (SMTPNotSupported, ValueError) as error:
                problem = f"{self._host} cannot take this address: {printable(str(error))}"
                raise DeliveryError(problem, permanent=True) from error

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """The library's errors as ours, judged by what the server said."""
        try:
            yield
        except SMTPRecipientsRefused as error:
            raise self._refusal(Stage.RECIPIENT, error.recipients[0]) from error
        except SMTPResponseException as error:
            raise self._refusal(_stage_of(error), error) from error
        except TimeoutError:
            raise
        except (SMTPException, OSError) as error:
            problem = f"lost the connection to {self._host}: {printable(str(error))}"
            raise _unreachable(problem) from error

    def _refusal(self, stage: Stage, error: SMTPResponseException) -> DeliveryError:
        reply = Reply(error.code, error.message)
        judgement = judge(stage, reply)
        return DeliveryError(
            f"{self._host} {words(judgement, reply)}",
            permanent=judgement.permanent,
            fault=judgement.fault,
            final_if_serving=self.name if judgement.doubtful else None,
        )


def _stage_of(error: SMTPResponseException) -> Stage:
    """What the server replied to, where that was not the recipient."""
    return next((stage for kind, stage in _STAGES.items() if isinstance(error, kind)), _OTHERWISE)


_STAGES: Mapping[type[SMTPResponseException], Stage] = {
    SMTPAuthenticationError: Stage.LOGIN,
    SMTPSenderRefused: Stage.SENDER,
    SMTPDataError: Stage.CONTENT,
}
_OTHERWISE = Stage.CONNECTION


def _unreachable(problem: str) -> DeliveryError:
    return DeliveryError(problem, permanent=False, fault=Fault.UNREACHABLE)


async def _quit(client: SMTP) -> None:
    """Say goodbye. The server has the mail already, so a failure no longer matters."""
    with contextlib.suppress(SMTPException, OSError, TimeoutError):
        await client.quit(timeout=_GOODBYE_S)
