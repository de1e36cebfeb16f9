"""What each reply of a mail server means: only what is about the recipient ends a delivery."""

import pytest

from monitor.channels.email.replies import Reply, Stage, judge, words
from monitor.domain.delivery import Fault

# As Postfix words them, at RCPT whatever they are about (smtpd_delay_reject).
ABOUT_US = [
    ("504 5.5.2 <x>: Helo command rejected: need fully-qualified hostname", Fault.REFUSED),
    ("501 5.5.2 <x>: Helo command rejected: Invalid name", Fault.REFUSED),
    ("550 5.7.1 <x>: Helo command rejected: Access denied", Fault.REFUSED),
    ("450 4.7.1 <x>: Helo command rejected: Host not found", Fault.LATER),
    ("554 5.7.1 <c[192.0.2.1]>: Client host rejected: Access denied", Fault.REFUSED),
    ("554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using x", Fault.REFUSED),
    ("450 4.7.25 Client host rejected: cannot find your hostname", Fault.LATER),
    ("554 5.7.1 <a@b.example>: Relay access denied", Fault.REFUSED),
    ("454 4.7.1 <a@b.example>: Relay access denied", Fault.LATER),
    ("553 5.7.1 <m@x>: Sender address rejected: not owned by user alerts", Fault.REFUSED),
    ("553 5.7.1 <m@x>: Sender address rejected: not logged in", Fault.REFUSED),
    ("550 5.1.0 <m@x>: Sender address rejected: User unknown in local table", Fault.REFUSED),
    ("550 5.1.8 <m@x>: Sender address rejected: Domain not found", Fault.SENDER),
    ("450 4.1.8 <m@x>: Sender address rejected: Domain not found", Fault.SENDER),
    ("553 5.1.7 <m@x>: Sender address rejected: malformed", Fault.SENDER),
    ("504 5.5.2 <m@x>: Sender address rejected: need fully-qualified address", Fault.REFUSED),
    ("550 5.7.27 <m@x>: Sender address rejected: no mail (nullMX)", Fault.SENDER),
    ("530 5.7.0 Must issue a STARTTLS command first", Fault.LOGIN),
    ("530 5.7.1 Client was not authenticated", Fault.LOGIN),
    ("554 5.7.8 Authentication credentials invalid", Fault.LOGIN),
    ("451 4.3.5 Server configuration error", Fault.LATER),
    ("452 4.3.1 Insufficient system storage", Fault.LATER),
    ("421 4.7.0 Too many errors", Fault.LATER),
    ("450 4.7.1 Greylisted", Fault.LATER),
    ("503 5.5.1 Error: need MAIL command", Fault.REFUSED),
    ("555 5.5.4 Unsupported option", Fault.REFUSED),
    ("550 5.7.1 Message rejected due to content", Fault.REFUSED),
    ("554 5.6.0 not wanted", Fault.REFUSED),
    ("552 5.3.4 Message too big", Fault.REFUSED),
]
# About the recipient: this is final.
FINAL = [
    "550 5.1.1 <a@b.example>: Recipient address rejected: User unknown in local table",
    "550 #5.1.1 no such user",
    "550 5.1.2 <a@b.example>: Recipient address rejected: Domain not found",
    "501 5.1.3 Bad recipient address syntax",
    "553 5.1.4 ambiguous",
    "551 5.1.6 <a@b.example>: user has moved",
    "556 5.1.10 <a@b.example>: Domain does not accept mail (nullMX)",
    "550 5.2.1 This account is disabled",
    "550 5.1.1 The account does not exist.\n5.1.1 Check for typos.",
]
# About the recipient, but that may change.
FOR_NOW = [
    "450 4.1.1 <a@b.example>: Recipient address rejected: unverified address",
    "450 4.1.2 <a@b.example>: Recipient address rejected: Domain not found",
    "450 4.2.1 mailbox busy",
    "452 4.2.2 mailbox full",
    "552 5.2.2 mailbox full",
    "450 5.1.1 a code that contradicts itself",
    "550 4.1.1 another one",
]


def reply(line):
    code, _, text = line.partition(" ")
    return Reply(int(code), text)


def judged(stage, line):
    found = judge(stage, reply(line))
    return found.fault, found.permanent, found.doubtful


@pytest.mark.parametrize("stage", [Stage.RECIPIENT, Stage.CONTENT])
@pytest.mark.parametrize(("line", "fault"), ABOUT_US)
def test_what_is_about_us_passes_whatever_it_is_said_to(stage, line, fault):
    assert judged(stage, line) == (fault, False, False)


@pytest.mark.parametrize("stage", [Stage.RECIPIENT, Stage.CONTENT])
@pytest.mark.parametrize("line", FINAL)
def test_what_is_about_the_recipient_is_final(stage, line):
    assert judged(stage, line) == (Fault.RECIPIENT, True, False)


@pytest.mark.parametrize("stage", [Stage.RECIPIENT, Stage.CONTENT])
@pytest.mark.parametrize("line", FOR_NOW)
def test_what_may_change_about_the_recipient_passes(stage, line):
    assert judged(stage, line) == (Fault.RECIPIENT, False, False)


@pytest.mark.parametrize("stage", [Stage.CONNECTION, Stage.LOGIN, Stage.SENDER])
@pytest.mark.parametrize("line", [*FINAL, "550 go away", "554 5.7.1 no"])
def test_what_was_said_before_a_recipient_was_named_is_about_none(stage, line):
    fault, permanent, doubtful = judged(stage, line)
    assert (
        fault
        in {
            Stage.CONNECTION: {Fault.REFUSED},
            Stage.LOGIN: {Fault.LOGIN},
            Stage.SENDER: {Fault.SENDER},
        }[stage]
    )
    assert not permanent
    assert not doubtful


@pytest.mark.parametrize(
    ("stage", "line", "doubtful"),
    [
        (Stage.RECIPIENT, "550 no such user", True),
        (Stage.RECIPIENT, "550 relay not permitted", True),
        (Stage.RECIPIENT, "550 5.1 is no enhanced code", True),
        (Stage.RECIPIENT, "550 see 5.1.1", True),
        (Stage.RECIPIENT, "550 5.1.1.1 nor is this", True),
        (Stage.RECIPIENT, "550 5.7.1 no", False),
        (Stage.RECIPIENT, "551 user not local", False),
        (Stage.RECIPIENT, "553 mailbox name not allowed", False),
        (Stage.RECIPIENT, "554 transaction failed", False),
        (Stage.CONTENT, "550 not wanted", False),
    ],
)
def test_550_without_an_enhanced_code_to_a_recipient_is_in_doubt(stage, line, doubtful):
    assert judged(stage, line) == (Fault.REFUSED, False, doubtful)


def test_what_is_no_reply_at_all_passes():
    assert judged(Stage.CONNECTION, "-1 Malformed SMTP response line") == (
        Fault.UNREACHABLE, False, False
    )  # fmt: skip


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("code", [*range(400, 460), *range(500, 560)])
def test_without_an_enhanced_code_no_reply_is_final(stage, code):
    assert not judge(stage, Reply(code, "no")).permanent


def test_words_say_what_was_done_and_quote_the_reply_on_one_line():
    refused = reply("554 5.7.1 Relay access\n5.7.1 denied\x1b[2J")
    assert words(judge(Stage.RECIPIENT, refused), refused) == (
        "refused us or the mail, not its recipient: 554 5.7.1 Relay access 5.7.1 denied [2J"
    )
    doubted = reply("550 no")
    assert words(judge(Stage.RECIPIENT, doubted), doubted) == (
        "refused the recipient or us: 550 no"
    )
