"""What a mail server answers, or does not answer, decides whether a mail is tried again."""

import asyncio
import time

import pytest

from monitor.domain.delivery import Fault
from support.mail_server import MAIL, refused, server_on
from support.ports import free_port
from support.smtp import Inbox, scripted, serving

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
