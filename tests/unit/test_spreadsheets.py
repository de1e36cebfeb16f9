"""What a spreadsheet would change is guarded, and every text comes back as it was."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.resources.spreadsheets import Guard
from support.spreadsheet_texts import CHANGED, LEFT_ALONE

GUARD = Guard(["none", "all"])
TEXTS = st.text(min_size=1) | st.text(" '\u00a0=1e.-/:tTrue", min_size=1)


@given(TEXTS)
@example("'")
@example("''0042")
@example("'0042 ")
@example(" '0042")
@example("'none")
@example("' ")
def test_every_text_comes_back(text):
    assert GUARD.take_off(GUARD.put(text)) == text


@given(TEXTS)
def test_a_guard_is_enough(text):
    cell = GUARD.put(text)
    assert cell in (text, f"'{text}")
    assert cell == cell.strip() or cell.startswith("'")


@pytest.mark.parametrize("text", CHANGED)
def test_what_a_spreadsheet_would_change_is_guarded(text):
    assert GUARD.put(text) == f"'{text}"


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_other_text_is_written_as_it_is(text):
    assert GUARD.put(text) == text


@pytest.mark.parametrize("cell", ["'shop", "'it's", "'"])
def test_an_apostrophe_that_no_export_wrote_is_text(cell):
    assert GUARD.take_off(f" {cell}") == cell
