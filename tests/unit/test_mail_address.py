"""One check of addresses: what is one, what separates several, and what is left of each."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.resources import formats, mail_address
from monitor.resources.formats import InvalidValue
from monitor.resources.mail_address import InvalidAddress, MailAddress
from monitor.resources.website import new_website
from monitor.resources.website_csv import read_row


def addresses(text):
    return [one.address for one in mail_address.several(text)]


@pytest.mark.parametrize(
    "text",
    [
        "a@example.com,b@example.com",
        "a@example.com;b@example.com",
        "a@example.com b@example.com",
        " a@example.com ,; b@example.com ;",
        "a@example.com\n\tb@example.com\r\n",
        "A <a@example.com>, B <b@example.com>",
        "A <a@example.com> B <b@example.com>",
        "<a@example.com>b@example.com",
        '"Team; one, two" <a@example.com>; b@example.com',
        '"Team <x>, \\"one\\"" <a@example.com> b@example.com',
    ],
)
def test_commas_semicolons_and_blanks_separate_addresses(text):
    assert addresses(text) == ["a@example.com", "b@example.com"]


@pytest.mark.parametrize("text", ["", " ", " ,; \n"])
def test_separators_alone_are_no_addresses(text):
    assert addresses(text) == []
    with pytest.raises(InvalidAddress):
        mail_address.one(text)


@pytest.mark.parametrize(
    ("text", "address", "name"),
    [
        ("ops@example.com", "ops@example.com", ""),
        ("  ops@example.com\t", "ops@example.com", ""),
        ("Ops <ops@example.com>", "ops@example.com", "Ops"),
        ("Ops<ops@example.com>", "ops@example.com", "Ops"),
        ("  On   call < ops@example.com > ", "ops@example.com", "On call"),
        ("<ops@example.com>", "ops@example.com", ""),
        ('"Doe, J." <ops@example.com>', "ops@example.com", "Doe, J."),
        ('"a \\"b\\" \\\\" <ops@example.com>', "ops@example.com", 'a "b" \\'),
        ("Büro München <ops@example.com>", "ops@example.com", "Büro München"),
        ("Ops@Example.com <ops@example.com>", "ops@example.com", "Ops@Example.com"),
        ('"root@host" <ops@example.com>', "ops@example.com", "root@host"),
        ("o'neil+a/b=c@example.com", "o'neil+a/b=c@example.com", ""),
        ("Ops@EXAMPLE.com", "Ops@EXAMPLE.com", ""),
        ("root@localhost", "root@localhost", ""),
        ("root@[192.0.2.1]", "root@[192.0.2.1]", ""),
        ("root@[IPv6:2001:db8::1]", "root@[IPv6:2001:db8::1]", ""),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com", ""),
    ],
)
def test_an_address_may_have_a_name_before_it(text, address, name):
    assert mail_address.one(text) == MailAddress(address, name)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ops@bücher.example", "ops@xn--bcher-kva.example"),
        ("ops@BÜCHER.Example", "ops@xn--bcher-kva.example"),
        ("ops@b\u0075\u0308cher.example", "ops@xn--bcher-kva.example"),  # u and a diaeresis
        ("ops@faß.example", "ops@xn--fa-hia.example"),  # IDNA 2003 made it fass.example
        ("ops@例え。テスト", "ops@xn--r8jz45g.xn--zckzah"),
        ("ops@xn--bcher-kva.example", "ops@xn--bcher-kva.example"),
        ("Ops <ops@пример.испытание>", "ops@xn--e1afmkfd.xn--80akhbyknj4f"),
    ],
)
def test_an_internationalised_domain_is_kept_as_punycode(text, address):
    assert mail_address.one(text).address == address


@pytest.mark.parametrize(
    ("text", "number", "why"),
    [
        ("a@example.com;b", 2, "is not one"),
        ("a@", 1, "is not one"),
        ("@example.com", 1, "is not one"),
        ("a@@example.com", 1, "is not one"),
        ("a b@example.com", 1, "is not one"),
        ("a..b@example.com", 1, "is not one"),
        ("a@example..com", 1, "is not one"),
        ("a@-example.com", 1, "is not one"),
        ("a@mail_1", 1, "is not one"),
        ("a@example.com.", 1, "is not one"),
        ("a@[192.0.2]", 1, "is not one"),
        ("a@[fe80::1%eth0]", 1, "is not one"),
        ("a@[IPv6:fe80::1%eth0]", 1, "is not one"),
        ("A <a@example.com", 1, "is not one"),
        ("a@example.com>", 1, "is not one"),
        ("A <a@example.com> <>", 2, "is not one"),
        ('"A <a@example.com>', 1, "is not one"),
        ("mailto:a@example.com", 1, "is not one"),
        ("a@example.com\0", 1, "is not one"),
        ("a@example.com (Ops)", 2, "is not one"),
        ("a" * 65 + "@example.com", 1, "is not one"),
        ("a@" + ".".join(["b" * 63] * 4), 1, "is too long"),
        ("a@" + ".".join(["b" * 63] * 3 + ["b" * 61]), 1, "is too long"),
        ("jörg@example.com", 1, "not ASCII"),
        ("x@example.com Jörg <joerg@example.com>", 1, "has an @ in its name"),
        ("x@example.com, Jörg <jörg@example.com>", 2, "not ASCII"),
        ("x@example.com <a@example.com>", 1, "has an @ in its name"),
        ("a@☃.example", 1, "names no domain"),
        ("a@büch er.example", 2, "is not one"),
        ("A\x00 <a@example.com>", 1, "cannot be shown"),
        ("A\u202e <a@example.com>", 1, "cannot be shown"),
        ('"A\\\x07" <a@example.com>', 1, "cannot be shown"),
    ],
)
def test_what_is_no_address_is_told_by_its_number(text, number, why):
    with pytest.raises(InvalidAddress) as caught:
        mail_address.several(text)
    assert caught.value.number == number
    assert why in caught.value.why


def test_a_line_break_brings_nothing_but_another_address():
    for text in ("a@example.com\r\nBcc: b@example.com", "A\r\nBcc: <b@example.com"):
        with pytest.raises(InvalidAddress):
            mail_address.several(text)


@given(st.text())
def test_whatever_is_taken_is_one_printable_word_of_ascii(text):
    try:
        found = mail_address.several(text)
    except InvalidAddress:
        return
    for one in found:
        assert one.address.isascii()
        assert one.address.isprintable()
        assert not set(one.address) & set(' ,;<>"')
        assert one.name.isprintable()
        # and is the same when it is given again
        assert mail_address.one(one.address) == MailAddress(one.address)


@pytest.mark.parametrize(
    "text",
    [
        '"' * 50_000,
        '"\\' * 50_000,
        "a " * 50_000 + "<",
        "<" * 50_000,
        '"a\\"' * 25_000,
        "a@b <" * 9999,
    ],
)
def test_hostile_text_is_refused_in_no_time(text):
    began = time.process_time()
    with pytest.raises(InvalidAddress):
        mail_address.several(text)
    assert time.process_time() - began < 1


# The field of websites


def test_a_field_keeps_addresses_in_ascii_and_without_names():
    sent = [" a@example.com ", "B <b@bücher.example>", "c@example.com; d@example.com"]
    assert formats.emails(sent) == (
        "a@example.com", "b@xn--bcher-kva.example", "c@example.com", "d@example.com"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (["a@example.com", "b"], "number 2 is not one"),
        (["jörg@example.com"], "number 1 has letters that are not ASCII before its @"),
        (["a@example.com", "A <A@example.com>"], "twice"),
        (["a@bücher.example", "a@xn--bcher-kva.example"], "twice"),
        ([f"{n}@example.com" for n in range(21)], "at most 20"),
        ([" ".join(f"{n}@example.com" for n in range(21))], "at most 20"),
    ],
)
def test_a_field_says_which_address_it_refuses(sent, told):
    with pytest.raises(InvalidValue, match=told):
        formats.emails(sent)


def test_a_cell_of_a_table_separates_addresses_as_people_do():
    cells = {"url": "https://example.com/", "alert_emails": "a@b.example, c@d.example;e@f.example"}
    assert new_website(read_row(cells))["alert_emails"] == (
        "a@b.example", "c@d.example", "e@f.example"
    )  # fmt: skip
