"""Untrusted text on a terminal is shown and does nothing else."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.cli import main as cli
from monitor.cli.client import _error
from monitor.cli.transfer import _print_failures
from monitor.domain.errors import MonitorError
from monitor.runtime.terminal import TerminalBytes, escape_terminal, single_line
from support.hostile_text import HOSTILE


@given(st.text(st.characters()))
def test_a_single_line_stays_one_whatever_is_in_it(text):
    shown = single_line(text)
    assert not set(shown) & set("\n\r\t\x1b\x9b\x00\x7f\u2028\u202e")
    assert len(shown.splitlines()) <= 1


@given(st.text(st.characters()))
def test_only_line_feeds_and_tabs_are_not_escaped(text):
    shown = escape_terminal(text)
    assert shown.count("\n") == text.count("\n")
    assert shown.replace("\n", "").replace("\t", "") == single_line(
        text.replace("\n", "").replace("\t", "")
    )


def test_plain_text_of_every_language_is_unchanged():
    text = "Grün, 日本語, עברית, 🙂 — {}\\n"
    assert escape_terminal(text) == single_line(text) == text


@given(st.lists(st.binary(max_size=8)))
def test_bytes_for_a_terminal_are_escaped_however_they_are_split(blocks):
    shown = io.StringIO()
    terminal = TerminalBytes(shown)
    # when
    for block in blocks:
        terminal.write(block)
    # then
    assert not set(shown.getvalue()) & set("\r\x1b\x9b\x00\x7f\u2028\u202e")
    whole = b"".join(blocks)
    assert escape_terminal(whole.decode("utf-8", "replace")).startswith(shown.getvalue())


@pytest.mark.parametrize("evil", HOSTILE)
def test_what_the_command_says_of_failed_lines_is_a_line_each(evil, capsys):
    errors = [{"field": evil, "message": evil}] * 2
    _print_failures({"failures": [{"line": 1, "errors": errors}], "failed": 1}, None)
    # then
    said = capsys.readouterr().err
    assert said.count("\n") == 2
    assert all(line.isprintable() for line in said.splitlines())


@pytest.mark.parametrize("evil", HOSTILE)
def test_what_the_command_says_at_its_end_steers_nothing(evil, capsys, monkeypatch):
    def fail(_arguments):
        raise MonitorError(evil)

    monkeypatch.setattr("monitor.cli.commands.settings", fail)
    assert cli.main(["settings"]) == 1
    # then
    assert all(line.isprintable() for line in capsys.readouterr().err.split("\n"))


class _Answer:
    """What a hostile API says."""

    status, reason, headers = 400, "", {}

    def __init__(self, evil):
        self.reason = evil
        self.headers = {"Location": evil}
        self.url = self
        self.content = self

    def origin(self):
        return "http://a.example"

    async def read(self, _most):
        return b"no JSON"


@pytest.mark.parametrize("evil", HOSTILE)
@pytest.mark.parametrize("status", [302, 400, 503])
def test_what_an_api_says_is_one_line(evil, status):
    answer = _Answer(evil)
    answer.status = status
    # when
    refusal = _error(answer)
    with pytest.raises(StopIteration) as ended:
        refusal.send(None)
    # then
    assert str(ended.value.value).isprintable()
