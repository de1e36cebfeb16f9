"""Header fields are written in one way, and read as the text that they were given."""

import base64
import quopri
import re
from email import message_from_bytes, policy
from email.header import decode_header, make_header

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.channels.email import headers

TEXTS = [
    "Down: Example shop (example.com) - HTTP 503 from europe",
    "für für Büro",
    "a für  b",
    " für ",
    "  two  blanks  ",
    "Müller",
    "ü" * 200,
    "ü " * 100,
    "日本語のウェブサイト " * 9,
    "🙂" * 60,
    "a" * 300,
    "a " * 150,
    "x" * 66 + " ü",
    "x" * 75 + " y",
    "word " * 14 + "w" * 80,
    "=?utf-8?q?x=0D=0ABcc:_victim=40example.org?=",
    "=?utf-8?b?eA==?= =?utf-8?b?eQ==?=",
    "=?",
    "?=",
    "a=?b",
    "=?utf-8?q?unfinished",
    "under_scores = and ? marks",
    "\\",
    '"quoted"',
    "(comment)",
    "a@b <c@d>",
    ".",
]
PRINTABLE = st.characters(exclude_categories=["C", "Zl", "Zp"]).filter(str.isprintable)
TEXT = st.text(PRINTABLE, min_size=1, max_size=300) | st.lists(
    st.sampled_from(
        ["für", "Büro", "shop", "=?utf-8?q?=C3=BC?=", "日本", "🙂", "(x)", "", "a" * 70]
    ),
    min_size=1,
    max_size=30,
).map(" ".join).filter(bool)


def value_of(field):
    """What stands behind the field's name, unfolded (RFC 5322, section 2.2.3)."""
    assert field.endswith(b"\r\n")
    _, value = field[:-2].decode("ascii").split(": ", 1)
    return re.sub(r"\r\n(?=[ \t])", "", value)


_WORD = re.compile(r"=\?([^?\s]+)\?([bqBQ])\?([^?\s]*)\?=")


def decoded(value):
    """Free text or a phrase as RFC 2047, section 6 has it read: by itself, without a library."""
    shown, after_word = "", False
    for blank, part in re.findall(r"([ \t]*)([^ \t]+)", value):
        word = _WORD.fullmatch(part)
        if word is None:
            shown += blank + part
        else:
            assert len(part) <= 75
            assert word[3], "an empty encoded word"
            shown += ("" if after_word else blank) + _content(word)
        after_word = word is not None
    return shown


def _content(word):
    charset, encoding, text = word.groups()
    if encoding.lower() == "b":
        return base64.b64decode(text, validate=True).decode(charset)
    return quopri.decodestring(text, header=True).decode(charset)  # strict: no half characters


def by_the_library(field):
    name = field.partition(b":")[0].decode()
    return message_from_bytes(field + b"\r\n", policy=policy.default)[name]


# Free text


def _every(texts):
    def decorate(test):
        for text in texts:
            test = example(text)(test)
        return test

    return decorate


@_every(TEXTS)
@given(TEXT)
def test_free_text_reads_as_it_was_given(text):
    # when
    field = headers.text_field("Subject", text)
    # then to a reader who has only the RFC, and to the standard library
    assert decoded(value_of(field)) == text
    assert str(by_the_library(field)) == text
    if "=?" in value_of(field):
        assert str(make_header(decode_header(value_of(field)))) == text


@_every(TEXTS)
@given(TEXT)
def test_lines_are_short_and_words_apart(text):
    # when
    lines = headers.text_field("Subject", text)[:-2].decode("ascii").split("\r\n")
    # then
    assert all(len(line) <= 76 for line in lines)
    assert all(re.match(r" [^ ]", line) for line in lines[1:])
    for line in lines:
        words = line.count("=?utf-8?")
        assert words == len(_WORD.findall(line)) <= 1
        assert not words or re.fullmatch(r"(Subject:)? =\?\S+\?=", line)


@given(st.text())
def test_whatever_the_text_there_is_one_field(text):
    # given any text at all: line breaks, lone surrogates
    field = headers.text_field("Subject", text)
    message = message_from_bytes(field + b"\r\n", policy=policy.default)
    # then
    assert message.keys() == (["Subject"] if text else [])
    assert str(message["Subject"] or "").isprintable()


@pytest.mark.parametrize(
    "space", ["\r\n", "\n", "\r", "\x00", "\x85", "\u2028", "\u00a0", "\ud800"]
)
def test_what_cannot_be_shown_reads_as_a_blank(space):
    value = decoded(value_of(headers.text_field("Subject", f"x{space}Bcc: y")))
    assert value == f"x{' ' * len(space)}Bcc: y"


def test_text_in_ascii_is_sent_as_it_is():
    assert headers.text_field("Subject", "Down: Shop - HTTP 503") == (
        b"Subject: Down: Shop - HTTP 503\r\n"
    )


def test_text_in_other_letters_is_encoded_as_a_whole():
    assert headers.text_field("Subject", "für für Büro") == (
        b"Subject: =?utf-8?b?ZsO8ciBmw7xyIELDvHJv?=\r\n"
    )


def test_what_looks_encoded_is_text():
    assert headers.text_field("Subject", "Down: =?utf-8?q?Bcc?= (example.com)") == (
        b"Subject: =?utf-8?b?RG93bjogPT91dGYtOD9xP0JjYz89IChleGFtcGxlLmNvbSk=?=\r\n"
    )


def test_the_shorter_encoding_is_taken():
    assert headers.text_field("Subject", "日本") == b"Subject: =?utf-8?b?5pel5pys?=\r\n"
    assert headers.text_field("Subject", "Down: Müller GmbH") == (
        b"Subject: =?utf-8?q?Down=3A_M=C3=BCller_GmbH?=\r\n"
    )


# Addresses


@_every(TEXTS)
@given(TEXT)
def test_a_display_name_reads_as_it_was_given(text):
    # when
    field = headers.address_field("From", "alerts@monitor.example", text)
    value = value_of(field)
    # then
    phrase, blank, address = value.rpartition(" ")
    assert (blank, address) == (" ", "<alerts@monitor.example>")
    if phrase.startswith('"'):
        assert re.sub(r"\\(.)", r"\1", phrase[1:-1]) == text
    else:
        assert decoded(phrase) == text
        assert all(re.fullmatch(r"[A-Za-z0-9!*+/=_-]*", w[3]) for w in _WORD.finditer(phrase))
    assert max(map(len, field.split(b"\r\n"))) <= 76
    (found,) = by_the_library(field).addresses
    assert (found.addr_spec) == "alerts@monitor.example"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("", "a@b.example"),
        ("Monitor", "Monitor <a@b.example>"),
        ("The Monitor", "The Monitor <a@b.example>"),
        ("Doe, J.", '"Doe, J." <a@b.example>'),
        ('a "b" \\', '"a \\"b\\" \\\\" <a@b.example>'),
        ("Monitor of the Büro", "=?utf-8?q?Monitor_of_the_B=C3=BCro?= <a@b.example>"),
        ("=?utf-8?q?x?=", "=?utf-8?b?PT91dGYtOD9xP3g/PQ==?= <a@b.example>"),
    ],
)
def test_a_display_name_is_atoms_a_quoted_string_or_encoded(name, written):
    assert headers.address_field("From", "a@b.example", name) == f"From: {written}\r\n".encode()


@pytest.mark.parametrize("address", ["a@b\r\nBcc: c@d", "a@bücher.example", "a@b\n", "a@b\x00"])
@pytest.mark.parametrize("name", ["", "A"])
def test_no_address_ends_its_field(address, name):
    with pytest.raises(ValueError, match="is not one header field"):
        headers.address_field("To", address, name)


@pytest.mark.parametrize(
    "value", ["", "a\r\nBcc: b", "a\r\n b\r\nBcc: c", "a\n", "ä", "a\x00", "\r\n a"]
)
def test_no_token_ends_its_field(value):
    with pytest.raises(ValueError, match="is not one header field"):
        headers.token_field("Message-ID", value)
