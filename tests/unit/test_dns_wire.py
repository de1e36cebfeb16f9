"""A encode_query of the DNS and its answer, byte by byte (RFC 1035, section 4)."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.probes.net.dns_wire import NO_ADDRESS, Answer, encode_query, first_address

ASKED = encode_query("www.shop.test", 0x1234)
QUESTION = b"\x03www\x04shop\x04test\x00\x00\x01\x00\x01"
TO_QUESTION = b"\xc0\x0c"
"""A pointer to the name that was asked for."""
A, CNAME, TXT, IN, CHAOS = 1, 5, 16, 1, 3


TTL_S = 300


def record(owner, kind, data, of_class=IN, ttl_s=TTL_S):
    return owner + struct.pack("!HHIH", kind, of_class, ttl_s, len(data)) + data


def name(text):
    return b"".join(bytes((len(p),)) + p.encode() for p in text.split(".")) + b"\0"


def address(last=7, owner=TO_QUESTION, ttl_s=TTL_S):
    return record(owner, A, bytes((192, 0, 2, last)), ttl_s=ttl_s)


def answer(*records, flags=0x8180, questions=1, number=0x1234, asked=QUESTION):
    head = struct.pack("!6H", number, flags, questions, len(records), 0, 0)
    return head + asked + b"".join(records)


def test_a_query_on_the_wire():
    assert bytes.fromhex("1234 0100 0001 0000 0000 0000") + QUESTION == ASKED


@pytest.mark.parametrize(
    "host",
    ["shop", "", ".", "a..test", "shop.test.", "bücher.test", "a b.test", "a\\.b.test", "a.test\n",
     f"{'a' * 64}.test", ".".join(["a" * 60] * 5)],
)  # fmt: skip
def test_names_of_unusual_form_are_not_queried(host):
    assert encode_query(host, 1) is None


def test_the_first_of_several_addresses_is_returned():
    assert first_address(answer(address(7), address(8)), ASKED) == Answer("192.0.2.7", TTL_S)


def test_aliases_are_followed_with_compressed_names():
    # "cdn" before a pointer to the last label of the encode_query, at 12 + 4 + 5
    target = b"\x03cdn\xc0\x15"
    found = answer(
        record(TO_QUESTION, CNAME, b"\x04edge\xc0\x10"),
        record(name("edge.shop.test"), CNAME, target),
        address(9, name("CDN.Test")),
    )
    assert first_address(found, ASKED) == Answer("192.0.2.9", TTL_S)


@pytest.mark.parametrize(
    "message",
    [
        answer(),
        answer(address(7, name("evil.test"))),
        answer(record(TO_QUESTION, A, bytes(4), CHAOS)),
        answer(record(TO_QUESTION, TXT, bytes(4))),
        answer(record(TO_QUESTION, CNAME, name("edge.test"))),
        answer(record(TO_QUESTION, CNAME, name("edge.test")), address(7)),
        answer(flags=0x8183),
        answer(address(), flags=0x8183),  # NXDOMAIN with an address: there is no such name
    ],
)
def test_a_name_without_an_ipv4_address(message):
    assert first_address(message, ASKED) == NO_ADDRESS


@pytest.mark.parametrize(
    ("of_alias_s", "of_address_s", "ttl_s"),
    [(60, 300, 60), (300, 60, 60), (0, 60, 0), (60, 2**31 - 1, 60), (300, 2**31, 0)],
)
def test_the_shortest_time_to_live_counts(of_alias_s, of_address_s, ttl_s):
    target = name("edge.test")
    alias = record(TO_QUESTION, CNAME, target, ttl_s=of_alias_s)
    unrelated = record(name("other.test"), TXT, b"", ttl_s=1)
    message = answer(alias, address(7, target, of_address_s), unrelated)
    assert first_address(message, ASKED) == Answer("192.0.2.7", ttl_s)


@pytest.mark.parametrize(
    "found",
    [
        answer(record(TO_QUESTION, A, bytes(3))),
        answer(record(TO_QUESTION, A, bytes(16))),
        answer(address(), flags=0x8182),  # SERVFAIL
        answer(address(), flags=0x8380),  # cut off
        answer(address(), flags=0x0180),  # a query
        answer(address(), flags=0xA180),  # another operation
        answer(address(), questions=2),
        answer(record(b"\xc0\x1e", A, bytes(4))),  # a pointer to itself
        answer(record(b"\xc0\xff", A, bytes(4))),  # beyond the end
        answer(record(b"\x40" + b"a" * 64 + b"\0", A, bytes(4))),
        answer(address(), *[record(name("other.test"), TXT, b"")] * 70),
        answer(address(), record(TO_QUESTION, A, bytes(3))[:-1]),
        answer(address(), b"\xff"),  # a second record that is none
    ],
)  # fmt: skip
def test_anything_but_a_clean_answer_is_none(found):
    assert first_address(found, ASKED) is None


def test_a_truncated_answer_is_none():
    whole = answer(record(TO_QUESTION, CNAME, name("edge.test")), address(7, name("edge.test")))
    assert first_address(whole, ASKED) == Answer("192.0.2.7", TTL_S)
    for size in range(len(ASKED), len(whole)):
        assert first_address(whole[:size], ASKED) is None


@pytest.mark.parametrize(
    "message",
    [
        answer(address(), number=0x1235),
        answer(address(), asked=name("www.shop.evil") + QUESTION[-4:]),
        answer()[:-1],
        answer()[:2],
        b"",
    ],
)
def test_an_answer_to_another_query_is_none(message):
    assert first_address(message, ASKED) is None


@given(st.binary(max_size=300))
def test_any_answer_is_parsed_to_an_end(tail):
    found = first_address(ASKED[:2] + b"\x81\x80\0\1\0\x20" + ASKED[8:] + tail, ASKED)
    assert found is None or found == NO_ADDRESS or found.address.count(".") == 3
