"""Definitions in Redis are read by the versions before and after the one that wrote them."""

import msgspec
import pytest

from monitor.resources.check_options import UnknownOptions
from monitor.resources.website import Definition
from monitor.storage.redis.definitions import decode, encode
from support.factories import check_options

ENCODED_BEFORE = msgspec.msgpack.encode(
    {
        "check": {
            "url": "https://shop.example/", "check_frequency": 60, "verify_ssl": False,
            "expected_status_codes": [[200, 204]],
        },
        "regions": ["europe"],
        "sealed": {"headers": "token-1", "body": "token-2"},
    }
)  # fmt: skip
"""As 0.1.0 writes it: no kind, encrypted options by short names."""


class OptionsBefore(msgspec.Struct, frozen=True):
    """What 0.1.0 reads of the options, and needs."""

    url: str
    check_frequency: int = 180
    request_timeout: int = 15
    expected_status_codes: tuple[tuple[int, int], ...] = ((200, 399),)
    verify_ssl: bool = True


class SealedBefore(msgspec.Struct, frozen=True):
    headers: str = ""
    body: str = ""


class DefinitionBefore(msgspec.Struct, frozen=True):
    check: OptionsBefore
    regions: tuple[str, ...] | None = None
    sealed: SealedBefore | None = None


DEFINITION = Definition(
    check_options(
        "https://shop.example/",
        check_frequency=60,
        verify_ssl=False,
        expected_status_codes=((200, 204),),
    ),
    ("europe",),
    {"request_headers": "token-1", "request_body": "token-2"},
)


def test_what_the_version_before_wrote_is_read():
    assert decode(ENCODED_BEFORE) == DEFINITION


def test_the_version_before_reads_what_is_written():
    before = msgspec.msgpack.decode(encode(DEFINITION), type=DefinitionBefore)
    assert before == msgspec.msgpack.decode(ENCODED_BEFORE, type=DefinitionBefore)


def test_an_option_that_the_version_before_does_not_know_is_no_obstacle_to_it():
    check = check_options("https://shop.example/", tls_min_version="1.0")
    before = msgspec.msgpack.decode(encode(Definition(check)), type=DefinitionBefore)
    assert before.check == OptionsBefore("https://shop.example/")


def test_an_option_that_is_not_set_is_not_written():
    assert b"tls_min_version" not in encode(DEFINITION)


def test_what_is_written_is_read_again():
    assert decode(encode(DEFINITION)) == DEFINITION


def test_a_kind_of_a_newer_version_is_kept_apart_from_what_is_known():
    newer = msgspec.msgpack.encode(
        {
            "check": {"kind": "dns", "check_frequency": 60, "request_timeout": 5, "host": "a"},
            "sealed": {"token": "t"},
        }
    )
    read = decode(newer)
    assert read.check == UnknownOptions(kind="dns", check_frequency=60, request_timeout=5)
    assert (read.regions, read.encrypted) == (None, None)


def test_what_is_no_definition_is_an_error():
    with pytest.raises(msgspec.ValidationError):
        decode(msgspec.msgpack.encode({"check": {"kind": "http"}}))
