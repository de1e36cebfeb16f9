"""The mailbox is a mail server like any other, and a folder of `.eml` files."""

import asyncio
import email
import email.policy
import io
import smtplib
import stat
from contextlib import asynccontextmanager
from email.message import EmailMessage

import pytest

from monitor.local.console import Console
from monitor.local.mailbox import mailbox


def mail(subject):
    message = EmailMessage()
    message["From"], message["To"] = "monitor@localhost", "you@localhost"
    message["Subject"] = subject
    message.set_content("It is down.\n.\nReally.")
    return message


def send(port, *messages):
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        for message in messages:
            client.send_message(message)


@asynccontextmanager
async def opened(folder, out):
    async with mailbox(folder, Console(out)) as port:
        yield port


async def deliver(folder, out, *messages):
    async with opened(folder, out) as port:
        await asyncio.to_thread(send, port, *messages)


async def test_each_mail_is_a_file_of_its_own_in_order(tmp_path):
    # when
    await deliver(tmp_path, io.StringIO(), *[mail(f"number {n}") for n in range(12)])
    # then
    files = sorted(tmp_path.iterdir())
    read = [email.message_from_bytes(f.read_bytes(), policy=email.policy.default) for f in files]
    assert [m["Subject"] for m in read] == [f"number {n}" for n in range(12)]
    assert {f.suffix for f in files} == {".eml"}
    assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}
    assert files[0].read_bytes().endswith(b"\r\n\r\nIt is down.\r\n.\r\nReally.\r\n")


async def test_each_mail_is_one_line_in_the_foreground(tmp_path):
    # given
    out = io.StringIO()
    # when
    await deliver(tmp_path, out, mail("Größe ↓ \x1b[31mred"))
    # then
    (line,) = out.getvalue().splitlines()
    assert line.endswith("mail      Größe ↓ [31mred → you@localhost")


async def test_a_mail_that_cannot_be_stored_gets_a_temporary_error(tmp_path):
    # given
    out = io.StringIO()
    # then
    with pytest.raises(smtplib.SMTPDataError) as caught:
        await deliver(tmp_path / "missing", out, mail("lost"))
    assert caught.value.smtp_code == 451
    assert "could not be stored" in out.getvalue()
