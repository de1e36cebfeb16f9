"""UTF-8 and UTF-16 are told apart by their first bytes, however a text is cut."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.resources.encodings import Utf8Stream, as_utf8

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).map(
    "{{{}".format
)


def _streamed(body, places):
    stream, marks = Utf8Stream(), sorted({p % (len(body) + 1) for p in places} | {0, len(body)})
    return b"".join([*(stream.feed(body[a:b]) for a, b in pairwise(marks)), stream.end()])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@given(TEXTS, st.lists(st.integers(0, 100)))
@example("{\U0001f600", [1, 2, 3, 4, 5, 6])
def test_text_is_recognized_whatever_its_encoding(encoding, text, places):
    body = text.encode(encoding)
    assert as_utf8(body) == text.encode()
    mark = b"\xef\xbb\xbf" if encoding == "utf-8-sig" else b""
    assert _streamed(body, places) == mark + text.encode()


@given(st.binary(), st.lists(st.integers(0, 100)))
def test_any_bytes_are_read_the_same_however_they_are_cut(body, places):
    assert _streamed(body, places) == _streamed(body, [])


@given(st.binary(min_size=1))
def test_invalid_utf_8_passes_unchanged(body):
    body = b"{}" + body
    assert as_utf8(body) == body == _streamed(body, [])


@pytest.mark.parametrize(
    "body", ["{}".encode("utf-16") + b"x", "{".encode("utf-16") + b"\x00\xd8}\x00"]
)
def test_invalid_utf_16_is_not_valid_utf_8(body):
    with pytest.raises(UnicodeError):
        as_utf8(body)
    with pytest.raises(UnicodeDecodeError):
        _streamed(body, []).decode()
