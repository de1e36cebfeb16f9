"""CSV: what is written is read again as it was, and no cell is a formula."""

import csv
import io
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.errors import InvalidInput
from monitor.resources import website_csv
from monitor.resources.website import new_website
from monitor.resources.website_csv import COLUMNS

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
LABEL = st.text("abc", min_size=1, max_size=4)

WEBSITES = st.fixed_dictionaries(
    {
        "id": st.uuids().map(str),
        "url": TEXT,
        "name": TEXT,
        "regions": st.none() | st.lists(LABEL, min_size=1),
        "check_frequency": st.integers(30, 86_400),
        "request_timeout": st.integers(1, 60),
        "http_method": st.sampled_from(["GET", "POST"]),
        "request_headers": st.dictionaries(LABEL, TEXT),
        "request_body": TEXT | st.just(""),
        "expected_status_codes": st.lists(
            st.integers(100, 999) | st.sampled_from(["200-399", "2xx"]), min_size=1
        ),
        "follow_redirects": st.booleans(),
        "verify_ssl": st.booleans(),
        "tls_min_version": st.sampled_from([None, "1.0", "1.2"]),
        "paused": st.booleans(),
        "alert_emails": st.lists(LABEL.map("{}@example.com".format)),
        "external_id": st.none() | TEXT,
        "kind": st.just("http"),
    }
)


@given(st.lists(WEBSITES))
def test_what_is_written_is_read_again(websites):
    # when
    text = website_csv.text([COLUMNS, *map(website_csv.row, websites)])
    # then
    read = csv.DictReader(io.StringIO(text, newline=""))
    assert [website_csv.read_row(cells) for cells in read] == websites


@given(WEBSITES)
def test_no_cell_begins_as_a_formula_does(website):
    assert not [cell for cell in website_csv.row(website) if cell[:1] in tuple("=+-@\t\r\n")]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "'", "''="])
def test_a_guard_is_put_on_and_taken_off(start):
    name = f"{start}cmd|' /C calc'!A0"
    cells = dict.fromkeys(COLUMNS, "") | {"name": name, "id": str(uuid.UUID(int=0))}
    written = website_csv.row(cells)[COLUMNS.index("name")]
    assert written == f"'{name}"
    assert website_csv.read_row({"name": written}) == {"name": name}


@pytest.mark.parametrize(
    ("cell", "codes"),
    [
        ("204", ((204, 204),)),
        ("2xx", ((200, 299),)),
        ("404;200;2XX;300-399;999", ((200, 399), (404, 404), (999, 999))),
    ],
)
def test_a_cell_of_status_codes_says_what_a_body_says(cell, codes):
    row = website_csv.read_row({"url": "https://a.example/", "expected_status_codes": cell})
    assert new_website(row)["expected_status_codes"] == codes


@pytest.mark.parametrize(("cell", "version"), [("1.2", "1.2"), ("1", "1.0"), ("", None)])
def test_a_cell_of_a_tls_version_is_text(cell, version):
    row = website_csv.read_row({"url": "https://a.example/", "tls_min_version": cell})
    assert new_website(row)["tls_min_version"] == version


def test_a_bad_status_code_in_a_cell_is_named():
    row = website_csv.read_row({"url": "https://a.example/", "expected_status_codes": "200;2x"})
    with pytest.raises(InvalidInput, match='"2x" is none of these'):
        new_website(row)


def test_cells_that_are_wrong_are_left_for_the_api_to_refuse():
    wrong = {"paused": "yes", "check_frequency": "often", "request_headers": "{", "name": "n"}
    wrong |= {"request_timeout": "9" * 5000}
    assert website_csv.read_row(wrong) == wrong
