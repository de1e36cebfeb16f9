"""CSV: what is written is read again as it was, no cell is a formula, and blank means not given."""

import csv
import io
import uuid

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.errors import InvalidInput
from monitor.resources import website_csv
from monitor.resources.website import new_website
from monitor.resources.website_csv import COLUMNS
from monitor.services.bulk.csv_lines import SEPARATORS, Table

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


@given(st.lists(WEBSITES), st.sampled_from(sorted(SEPARATORS)), st.booleans())
def test_a_table_of_any_text_and_separator_is_read_again(websites, separator, said):
    # given
    file = io.StringIO(newline="")
    file.write(f"sep={separator}\r\n" * said)
    csv.writer(file, delimiter=separator).writerows([COLUMNS, *map(website_csv.row, websites)])
    lines = file.getvalue()
    # when
    table = Table(io.StringIO(lines, newline=""))
    made = b"".join(table.ndjson()).split(b"\n")
    # then each is on the line on which its row begins
    assert [msgspec.json.decode(line) for line in made if line] == websites
    assert len(made) - 1 == len(list(io.StringIO(lines, newline="")))
    assert table.separator == separator


@given(WEBSITES)
def test_no_cell_begins_as_a_formula_does(website):
    assert not [cell for cell in website_csv.row(website) if cell[:1] in tuple("=+-@\t\r\n")]


@given(WEBSITES, st.lists(st.sampled_from(["", " ", "\t", "\u00a0"]), min_size=2, max_size=2))
def test_blanks_round_cells_that_are_not_guarded_do_not_matter(website, blanks):
    before, after = blanks
    cells = dict(zip(COLUMNS, website_csv.row(website), strict=True))
    padded = {n: c if c.startswith("'") else f"{before}{c}{after}" for n, c in cells.items()}
    assert website_csv.read_row(padded) == website


@given(WEBSITES)
def test_every_cell_of_an_export_says_something(website):
    assert all(cell.strip() for cell in website_csv.row(website))


def test_blank_cells_are_not_given():
    blank = dict.fromkeys(COLUMNS, "") | {"url": "https://a.example/", "name": " \t"}
    assert website_csv.read_row(blank) == {"url": "https://a.example/"}
    assert website_csv.row({"url": "https://a.example/"}).count("") == len(COLUMNS) - 1


EMPTY = {
    "regions": None, "alert_emails": [], "external_id": None, "request_headers": {},
    "request_body": "",
}  # fmt: skip


def test_what_is_empty_is_a_word():
    # when
    cells = dict(zip(COLUMNS, website_csv.row(EMPTY), strict=True))
    # then
    written = {name: cells[name] for name in EMPTY}
    assert written == dict.fromkeys(EMPTY, "none") | {"regions": "all"}
    for words in (written, {name: f" {word.upper()} " for name, word in written.items()}):
        assert website_csv.read_row(words) == EMPTY


def test_text_that_reads_like_such_a_word_is_itself():
    taken = {"regions": ["all"], "external_id": "None", "request_body": "none", "name": "ALL"}
    cells = dict(zip(COLUMNS, website_csv.row(taken), strict=True))
    assert [cells[name] for name in taken] == ["'all", "'None", "'none", "'ALL"]
    assert website_csv.read_row({name: cells[name] for name in taken}) == taken
    # a name is never empty, so it has no word
    assert website_csv.read_row({"name": "none"}) == {"name": "none"}


@pytest.mark.parametrize(
    ("cell", "value"),
    [("TRUE", True), ("False", False), ("wahr", True), ("FAUX", False), (" true ", True)],
)
def test_booleans_are_read_as_spreadsheets_write_them(cell, value):
    assert website_csv.read_row({"paused": cell}) == {"paused": value}


def test_an_export_of_before_is_read_as_it_was():
    before = {
        "url": "https://a.example/", "name": "'=1+1", "regions": "europe;asia",
        "check_frequency": "60", "request_headers": '{"X":"********"}', "request_body": "********",
        "expected_status_codes": "301;200-204", "verify_ssl": "false", "external_id": "0042",
    }  # fmt: skip
    assert website_csv.read_row(before | {"alert_emails": "", "kind": "http"}) == {
        "url": "https://a.example/", "name": "=1+1", "regions": ["europe", "asia"],
        "check_frequency": 60, "request_headers": {"X": "********"}, "request_body": "********",
        "expected_status_codes": [301, "200-204"], "verify_ssl": False, "external_id": "0042",
        "kind": "http",
    }  # fmt: skip


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


@pytest.mark.parametrize(("cell", "version"), [("1.2", "1.2"), ("1", "1.0"), ("none", None)])
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
