"""Mails leave through real SMTP servers, and each way to fail is told apart."""

import asyncio
import ssl
import time
from email.utils import parsedate_to_datetime

import msgspec
import pytest
import trustme
from aiosmtpd.smtp import AuthResult

from monitor.channels.email.message import Mail
from monitor.channels.email.smtp import MailServer
from monitor.domain.delivery import Fault
from monitor.domain.errors import DeliveryError
from monitor.resources.mail_address import MailAddress
from support.ports import free_port
from support.smtp import Inbox, scripted, serving

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


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def server_tls(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def trusting(authority):
    return ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())


# What arrives


async def test_a_mail_arrives_with_all_its_parts():
    # given
    inbox = Inbox()
    # when
    async with serving(inbox) as port:
        await server_on(port).send(MAIL)
    # then
    [mail], [envelope] = inbox.mails, inbox.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == (
        "alerts@monitor.example",
        ["ops@example.org"],
    )
    assert (mail["From"], mail["To"]) == ("Monitor <alerts@monitor.example>", MAIL.recipient)
    assert mail["Subject"] == MAIL.subject
    assert mail["Message-ID"] == MAIL.message_id
    assert mail["In-Reply-To"] == mail["References"] == MAIL.in_reply_to
    assert mail["Auto-Submitted"] == "auto-generated"
    assert abs(parsedate_to_datetime(mail["Date"]).timestamp() - time.time()) < 60
    assert mail.get_content_type() == "multipart/alternative"
    text, html = (part.get_content() for part in mail.iter_parts())
    assert (text.splitlines(), html.strip()) == (MAIL.text.splitlines(), MAIL.html)
    assert max(map(len, envelope.content.splitlines())) < 998


async def test_the_first_mail_of_a_thread_answers_none():
    # given
    inbox = Inbox()
    # when
    async with serving(inbox) as port:
        await server_on(port).send(mail(in_reply_to=None))
    # then
    assert [(m["In-Reply-To"], m["References"]) for m in inbox.mails] == [(None, None)]


async def test_ehlo_uses_the_sender_domain():
    # given: anything else would have to ask DNS for our own name
    inbox = Inbox()
    # when
    async with serving(inbox) as port:
        await server_on(port).send(MAIL)
    # then
    assert [s.host_name for s in inbox.sessions] == ["monitor.example"]


# Encryption and login


async def test_starttls_encrypts_before_anything_is_said(server_tls, trusting):
    # given
    inbox = Inbox()
    # when
    async with serving(inbox, starttls=server_tls, require_starttls=True) as port:
        await server_on(port, tls="starttls", tls_context=trusting).send(MAIL)
    # then
    assert len(inbox.mails) == 1
    assert all(session.ssl for session in inbox.sessions)


async def test_tls_from_the_first_byte(server_tls, trusting):
    # given
    inbox = Inbox()
    # when
    async with serving(inbox, tls_from_start=server_tls) as port:
        await server_on(port, tls="tls", tls_context=trusting).send(MAIL)
    # then
    assert len(inbox.mails) == 1


async def test_without_starttls_on_offer_nothing_is_sent_plainly():
    # given
    inbox = Inbox()

    # when
    async with serving(inbox) as port:
        error = await refused(server_on(port, tls="starttls").send(MAIL))
    # then
    assert not error.permanent
    assert "STARTTLS" in str(error)
    assert inbox.senders_named == 0


async def test_without_encryption_asked_for_none_is_tried(server_tls):
    # given: a server that offers it, with a certificate nobody trusts
    inbox = Inbox()
    # when
    async with serving(inbox, starttls=server_tls) as port:
        await server_on(port, tls="none").send(MAIL)
    # then
    assert [session.ssl for session in inbox.sessions] == [None]


async def test_a_server_that_takes_starttls_back_gets_nothing():
    script = {"ehlo": "250-mail.test\r\n250 STARTTLS", "starttls": "454 not now"}
    async with scripted(**script) as (port, commands):
        error = await refused(server_on(port, tls="starttls", user="u", password="p").send(MAIL))
    assert not {"auth", "mail"} & set(commands)
    assert not error.permanent


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_untrusted_certificate_sends_nothing(tls, server_tls):
    # given
    inbox = Inbox()
    offered = {"starttls": server_tls} if tls == "starttls" else {"tls_from_start": server_tls}
    # when
    async with serving(inbox, **offered) as port:
        error = await refused(server_on(port, tls=tls).send(MAIL))
    # then
    assert not error.permanent
    assert "certificate" in str(error).lower()
    assert inbox.senders_named == 0


def _knows(user, password):
    def authenticate(_server, _session, _envelope, _mechanism, login):
        right = (login.login, login.password) == (user, password)
        return AuthResult(success=right, handled=False)

    return authenticate


async def _login(inbox, server_tls, trusting, password):
    options = {"authenticator": _knows(b"alerts", b"correct"), "auth_required": True}
    async with serving(inbox, starttls=server_tls, **options) as port:
        how = {"user": "alerts", "password": password, "tls_context": trusting}
        await server_on(port, tls="starttls", **how).send(MAIL)


async def test_a_login_lets_the_mail_through(server_tls, trusting):
    inbox = Inbox()
    await _login(inbox, server_tls, trusting, "correct")
    assert len(inbox.mails) == 1


async def test_wrong_password_is_a_transient_error(server_tls, trusting):
    # given
    inbox = Inbox()
    # when
    error = await refused(_login(inbox, server_tls, trusting, "wrong-password"))
    # then
    assert not error.permanent
    assert error.fault is Fault.LOGIN
    assert "SMTP_USER" in str(error)
    assert "wrong-password" not in str(error)
    assert inbox.mails == []


# Refusals


REPLIES = [
    ("rcpt", "550 5.1.1 no such user", True, Fault.RECIPIENT),
    ("rcpt", "501 5.1.3 bad address", True, Fault.RECIPIENT),
    ("rcpt", "556 5.1.10 no mail there", True, Fault.RECIPIENT),
    ("rcpt", "450 4.2.1 mailbox busy", False, Fault.RECIPIENT),
    ("rcpt", "504 5.5.2 <x>: Helo command rejected: not fully-qualified", False, Fault.REFUSED),
    ("rcpt", "554 5.7.1 <x>: Client host rejected: Access denied", False, Fault.REFUSED),
    ("rcpt", "554 5.7.1 <x>: Relay access denied", False, Fault.REFUSED),
    ("rcpt", "553 5.7.1 <x>: Sender address rejected: not owned", False, Fault.REFUSED),
    ("rcpt", "550 5.1.8 <x>: Sender address rejected: Domain not found", False, Fault.SENDER),
    ("rcpt", "450 4.7.1 <x>: Helo command rejected: Host not found", False, Fault.LATER),
    ("rcpt", "550 no such user", False, Fault.REFUSED),
    ("rcpt", "553 sorry", False, Fault.REFUSED),
    ("mail", "553 5.1.8 sender not allowed", False, Fault.SENDER),
    ("mail", "550 5.1.1 no such sender", False, Fault.SENDER),
    ("mail", "451 4.3.0 try later", False, Fault.LATER),
    ("mail", "530 5.7.0 Authentication required", False, Fault.LOGIN),
    ("data", "550 5.1.1 no such user", True, Fault.RECIPIENT),
    ("data", "554 5.6.0 not wanted", False, Fault.REFUSED),
    ("data", "552 5.2.2 mailbox full", False, Fault.RECIPIENT),
    ("data", "452 4.3.1 disk full", False, Fault.LATER),
]


@pytest.mark.parametrize(("command", "reply", "permanent", "fault"), REPLIES)
async def test_replies_are_judged_by_what_they_say(command, reply, permanent, fault):
    # given
    inbox = Inbox(**{command: reply})
    # when
    async with serving(inbox) as port:
        error = await refused(server_on(port).send(MAIL))
    # then
    assert (error.permanent, error.fault) == (permanent, fault)
    assert reply in str(error)


@pytest.mark.parametrize(("command", "reply", "permanent", "fault"), REPLIES)
async def test_a_refusal_is_in_doubt_only_without_an_enhanced_code(
    command, reply, permanent, fault
):
    async with serving(Inbox(**{command: reply})) as port:
        error = await refused(server_on(port).send(MAIL))
    in_doubt = f"127.0.0.1:{port}" if (command, reply) == ("rcpt", "550 no such user") else None
    assert error.final_if_serving == in_doubt


async def test_a_refused_ehlo_is_not_the_recipients_fault():
    async with scripted(ehlo="550 5.7.1 who are you?", helo="550 5.7.1 no") as (port, commands):
        error = await refused(server_on(port).send(MAIL))
    assert (error.permanent, error.fault) == (False, Fault.REFUSED)
    assert "mail" not in commands


async def test_what_does_not_speak_smtp_may_be_mended():
    async with scripted(greeting="SSH-2.0-x") as (port, _):
        error = await refused(server_on(port).send(MAIL))
    assert (error.permanent, error.fault) == (False, Fault.UNREACHABLE)


@pytest.mark.parametrize("greeting", ["554 no service for you", "421 too busy"])
async def test_rejected_connection_is_a_transient_error(greeting):
    async with scripted(greeting=greeting) as (port, _):
        error = await refused(server_on(port).send(MAIL))
    assert not error.permanent
    assert greeting in str(error)


async def test_a_server_that_is_not_there_may_come_back():
    error = await refused(server_on(free_port()).send(MAIL))
    assert not error.permanent


@pytest.mark.parametrize("silent_at", ["ehlo", "mail", "rcpt", "data"])
async def test_unresponsive_server_times_out(silent_at):
    began = time.monotonic()
    # when
    async with scripted(**{silent_at: None}) as (port, _):
        error = await refused(server_on(port, timeout_s=0.3).send(MAIL))
    # then
    assert not error.permanent
    assert "within 0.3 s" in str(error)
    assert time.monotonic() - began < 5


async def test_a_slow_server_has_one_timeout_for_all_it_does():
    # given: a server that is slow at each command but never slower than the timeout
    async with serving(SlowInbox()) as port:
        error = await refused(server_on(port, timeout_s=0.5).send(MAIL))
    # then
    assert "within 0.5 s" in str(error)


class SlowInbox(Inbox):
    async def handle_MAIL(self, *args):  # noqa: N802 - aiosmtpd's name
        await asyncio.sleep(0.3)
        return await super().handle_MAIL(*args)

    async def handle_RCPT(self, *args):  # noqa: N802 - aiosmtpd's name
        await asyncio.sleep(0.3)
        return await super().handle_RCPT(*args)


async def test_a_connection_cut_before_the_servers_word_is_tried_again():
    async with scripted(after_data="cut") as (port, _):
        error = await refused(server_on(port).send(MAIL))
    assert not error.permanent


@pytest.mark.parametrize("goodbye", ["421 leaving", "500 what?", None])
async def test_failed_quit_does_not_undo_a_delivery(goodbye):
    # given: a mail that the server took, which must not be sent a second time
    began = time.monotonic()
    # when
    async with scripted(quit=goodbye) as (port, commands):
        await server_on(port).send(MAIL)
    # then
    assert commands[-2:] == ["data", "quit"]
    assert time.monotonic() - began < 10


# What is no mail at all


@pytest.mark.parametrize(
    "recipient",
    ["", "nobody", "a b@example.org", "a@example.org\r\nBcc: b@example.org", "a@x.org,b@x.org"],
)
async def test_a_bad_address_is_refused_for_good_before_any_connection(recipient):
    # given
    # when
    async with scripted() as (port, commands):
        error = await refused(server_on(port).send(mail(recipient=recipient)))
    # then
    assert error.permanent
    assert commands == []


async def test_header_injection_is_impossible():
    changed = {"message_id": f"{MAIL.message_id}\r\nBcc: victim@example.org"}
    error = await refused(server_on(free_port()).send(mail(**changed)))
    assert error.permanent


@pytest.mark.parametrize(
    "answered", [f"{MAIL.in_reply_to}\r\nBcc: victim@example.org", "1764547200.000100", ""]
)
async def test_a_mail_that_cannot_be_put_into_a_thread_is_sent_on_its_own(answered):
    # given the id of a message that was sent over another channel, or that harm was done to
    inbox = Inbox()
    async with serving(inbox) as port:
        await server_on(port).send(mail(in_reply_to=answered))
    # then
    (received,) = inbox.mails
    assert {"In-Reply-To", "References", "Bcc"}.isdisjoint(received.keys())


@pytest.mark.parametrize(
    ("subject", "read"),
    [
        ("Down: x\r\nBcc: victim@example.org", "Down: x  Bcc: victim@example.org"),
        ("=?utf-8?q?x=0D=0ABcc:_v=40example.org?=", "=?utf-8?q?x=0D=0ABcc:_v=40example.org?="),
        ("für für Büro", "für für Büro"),
        ("ü" * 150, "ü" * 150),
    ],
)
async def test_a_subject_arrives_as_literal_text(subject, read):
    # given
    inbox = Inbox()
    # when
    async with serving(inbox) as port:
        await server_on(port).send(mail(subject=subject))
    # then
    [arrived] = inbox.mails
    assert arrived["Subject"] == read
    assert "Bcc" not in arrived
    assert inbox.envelopes[0].rcpt_tos == ["ops@example.org"]


@pytest.mark.parametrize(
    ("recipient", "address"),
    [
        ("Ops <ops@example.org>", "ops@example.org"),
        (" ops@example.org ", "ops@example.org"),
        ("ops@bücher.example", "ops@xn--bcher-kva.example"),
        ("ops@[127.0.0.1]", "ops@[127.0.0.1]"),
        ("o'neil+x=y@example.org", "o'neil+x=y@example.org"),
    ],
)
async def test_every_server_can_take_an_address(recipient, address):
    # given: a server without SMTPUTF8
    inbox = Inbox()
    # when
    async with serving(inbox) as port:
        await server_on(port).send(mail(recipient=recipient))
    # then
    assert inbox.envelopes[0].rcpt_tos == [address]
    assert inbox.mails[0]["To"] == address


async def test_a_senders_name_is_literal_text():
    # given
    inbox, name = Inbox(), '=?utf-8?q?x?= "Büro", für <a@b>'
    # when
    async with serving(inbox) as port:
        await server_on(port, sender=MailAddress("alerts@monitor.example", name)).send(MAIL)
    # then
    [sender] = inbox.mails[0]["From"].addresses
    assert (sender.display_name, sender.addr_spec) == (name, "alerts@monitor.example")


# The login alone, for whoever asks whether mails could leave


async def test_a_login_is_tried_without_a_mail(server_tls, trusting):
    # given
    inbox = Inbox()
    options = {"authenticator": _knows(b"alerts", b"correct"), "auth_required": True}
    # when
    async with serving(inbox, starttls=server_tls, **options) as port:
        how = {"user": "alerts", "tls": "starttls", "tls_context": trusting}
        await server_on(port, password="correct", **how).log_in()
        error = await refused(server_on(port, password="wrong", **how).log_in())
    # then
    assert error.fault is Fault.LOGIN
    assert (inbox.senders_named, inbox.mails) == (0, [])


async def test_a_login_without_a_password_is_a_greeting_and_a_goodbye():
    async with scripted() as (port, commands):
        await server_on(port).log_in()
    assert commands == ["ehlo", "noop", "quit"]


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ({"ehlo": "550 5.7.1 no", "helo": "550 5.7.1 no"}, Fault.REFUSED),
        ({"ehlo": None}, Fault.UNREACHABLE),
        ({"greeting": "554 no service"}, Fault.REFUSED),
        ({"greeting": "421 too busy"}, Fault.LATER),
    ],
)
async def test_a_login_that_fails_says_why(script, fault):
    async with scripted(**script) as (port, _):
        error = await refused(server_on(port, timeout_s=0.5).log_in())
    assert error.fault is fault
    error = await refused(server_on(free_port()).log_in())
    assert error.fault is Fault.UNREACHABLE


@pytest.mark.parametrize(
    ("sender", "domain"),
    [
        ("alerts@monitor.example", "monitor.example"),
        ("alerts@[192.0.2.1]", "[192.0.2.1]"),
        ("monitor@localhost", "localhost"),
    ],
)
def test_the_domain_of_a_sender(sender, domain):
    assert server_on(1, sender=MailAddress(sender)).sender_domain == domain
