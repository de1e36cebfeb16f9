"""Mails leave through real SMTP servers, and each way to fail is told apart."""

import ssl
import time
from email.utils import parsedate_to_datetime

import pytest
import trustme
from aiosmtpd.smtp import AuthResult

from monitor.domain.delivery import Fault
from monitor.resources.mail_address import MailAddress
from support.mail_server import MAIL, mail, refused, server_on
from support.ports import free_port
from support.smtp import Inbox, scripted, serving


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
