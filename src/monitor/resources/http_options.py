"""The options of checks over HTTP. Pure.

A field is one line here; see ``resources.fields``. A default is part of the stored form, which
leaves defaults out: to change one, write a migration that stores the old value first.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Struct

from monitor.domain.status_codes import DEFAULT_STATUS_RANGES, StatusRanges
from monitor.resources import formats
from monitor.resources.fields import boolean, field, whole_number
from monitor.resources.secrets import SecretHeaders, SecretText

MAX_CHECK_FREQUENCY_S = 86_400


class HttpOptions(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="http"):
    """How to check a website over HTTP. Times are in seconds."""

    url: Annotated[
        str,
        field(
            formats.url,
            "An absolute http or https URL without user or password in it.",
            min_length=1,
            max_length=formats.MAX_URL_LENGTH,
            examples=["https://example.com/health"],
        ),
    ]
    check_frequency: Annotated[
        int, whole_number(30, MAX_CHECK_FREQUENCY_S, "Seconds between checks.")
    ] = 180
    request_timeout: Annotated[
        int, whole_number(1, 60, "Seconds one check may take; less than check_frequency.")
    ] = 15
    http_method: Annotated[
        str,
        field(formats.http_method, "GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS, in any case."),
    ] = "GET"
    request_headers: Annotated[
        dict[str, str],
        field(
            formats.headers,
            "Header names and values, at most 50. Headers that frame a message, such as "
            "Content-Length and Connection, are refused. Values are write-only: they read back as "
            "`********`, except for harmless headers such as Accept and Content-Type. Sent back, "
            "`********` leaves the value as it is.",
            secret=SecretHeaders(),
        ),
    ] = msgspec.field(default_factory=dict)
    request_body: Annotated[
        str,
        field(
            formats.request_body,
            "Sent with every check; write-only, too.",
            max_length=formats.MAX_BODY_LENGTH,
            secret=SecretText(),
        ),
    ] = ""
    expected_status_codes: Annotated[
        StatusRanges,
        field(
            formats.status_codes,
            'Codes that count as up: numbers and ranges like "200-399".',
            wire=list[int | str],
            write=formats.written_status_codes,
            examples=[[204, "300-399"]],
        ),
    ] = DEFAULT_STATUS_RANGES
    follow_redirects: Annotated[bool, boolean("Follow redirects to the page they end at.")] = True
    verify_ssl: Annotated[bool, boolean("Treat an invalid certificate as down.")] = True
