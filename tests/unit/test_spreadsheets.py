"""What a spreadsheet would change is guarded, and every text comes back as it was."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.resources.spreadsheets import Guard

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


@pytest.mark.parametrize(
    "text",
    [
        "0042", "1e5", "1E+10", ".5e3", "12345678901234567890", "3,5", "1 000,5", "50%", "(5)",
        "5€", "€ 5", "$5", "EUR 5", "5 EUR", "٤٢", "1/2", "1 1/2", "-1", "+1",
        "1-2", "2024-05-01", "1.5.2024", "may-5", "Mar-24", "5 May", "5. Mai 2024", "Mai 2024",
        "May 5, 2024 10:00 AM", "12:30", "12:30 pm", "2024-05-01T10:00:00Z",
        "TRUE", "false", "Wahr", "FAUX", "#N/A", "#REF!", "=A1", "@x", "\uff1d1", "\ttab",
        "none", "ALL", " padded", "padded ", "'quoted",
    ],
)  # fmt: skip
def test_what_a_spreadsheet_would_change_is_guarded(text):
    assert GUARD.put(text) == f"'{text}"


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com/", "http://10.0.0.1:8080/", "example.com/2024", "1blu.de/x",
        "a@b.example", "GET", "{}", "********", "0190a8e2-7b1c-7d3e-9f00-3c5d2a1b4e6f",
        "shop-1", "web2", "Monitor 2", "Server 1", "Mail 3", "365 Tage offen", "shop, 5 units",
        "O'Neill", "it's", "Müller", "may", "#1",
    ],
)  # fmt: skip
def test_other_text_is_written_as_it_is(text):
    assert GUARD.put(text) == text


@pytest.mark.parametrize("cell", ["'shop", "'it's", "'"])
def test_an_apostrophe_that_no_export_wrote_is_text(cell):
    assert GUARD.take_off(f" {cell}") == cell
