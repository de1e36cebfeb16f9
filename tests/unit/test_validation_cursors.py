"""Cursors come back only as they were given out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.errors import BadQuery
from monitor.resources import cursors as paging

MARK = paging.fingerprint("websites", None, "up")


@given(st.binary(max_size=40))
def test_cursor_round_trips(position):
    cursor = paging.encode(position, MARK)
    assert paging.decode(cursor, MARK) == position
    assert cursor.isascii()
    assert "=" not in cursor


@given(st.text(max_size=60))
def test_forged_cursor_is_refused(text):
    with pytest.raises(BadQuery, match="cursor"):
        paging.decode(text, MARK)


@given(st.binary(max_size=24), st.data())
def test_a_changed_cursor_is_refused_or_is_another_position(position, data):
    # given
    cursor = paging.encode(position, MARK)
    at = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.sampled_from("ABCabc019-_"))
    changed = cursor[:at] + other + cursor[at + 1 :]
    # then: never the same position written in two ways
    if changed != cursor:
        assert _position(changed) != position


def _position(cursor):
    try:
        return paging.decode(cursor, MARK)
    except BadQuery:
        return None


def test_a_cursor_of_other_filters_is_refused():
    cursor = paging.encode(b"x" * 16, paging.fingerprint("websites", None, "down"))
    with pytest.raises(BadQuery, match="begin again without it"):
        paging.decode(cursor, MARK)
