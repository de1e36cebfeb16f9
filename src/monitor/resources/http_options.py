"""The options of HTTP checks. Pure.

Each field is declared once, here; see ``resources.fields``. Stored options omit default values, so
changing a default needs a migration that first stores the old value.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Struct

from monitor.domain.status_codes import DEFAULT_STATUS_RANGES, StatusRanges
from monitor.resources import formats
from monitor.resources.fields import boolean, field, or_null, whole_number
from monitor.resources.secrets import SecretHeaders, SecretText

MAX_CHECK_FREQUENCY_S = 86_400


class HttpOptions(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="http"):
    """How to check a website over HTTP. Times are in seconds."""

    url: Annotated[
        str,
        field(
            formats.url,
            "An absolute http or https URL without a user name or password.",
            min_length=1,
            max_length=formats.MAX_URL_LENGTH,
            examples=["https://example.com/health"],
        ),
    ]
    check_frequency: Annotated[
        int, whole_number(30, MAX_CHECK_FREQUENCY_S, "Seconds between checks.")
    ] = 180
    request_timeout: Annotated[
        int, whole_number(1, 60, "Timeout of one check in seconds; less than check_frequency.")
    ] = 15
    http_method: Annotated[
        str,
        field(
            formats.http_method,
            "GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS, in upper or lower case.",
        ),
    ] = "GET"
    request_headers: Annotated[
        dict[str, str],
        field(
            formats.headers,
            "Up to 50 headers by name. Headers that frame a message, such as Content-Length and "
            "Connection, are refused. Values are write-only: they are returned as `********`, "
            "except for harmless headers such as Accept and User-Agent. Sending `********` keeps "
            "the stored value.",
            secret=SecretHeaders(),
        ),
    ] = msgspec.field(default_factory=dict)
    request_body: Annotated[
        str,
        field(
            formats.request_body,
            "Body sent with every check. Write-only, like header values.",
            max_length=formats.MAX_BODY_LENGTH,
            secret=SecretText(),
        ),
    ] = ""
    expected_status_codes: Annotated[
        StatusRanges,
        field(
            formats.status_codes,
            'Status codes that count as up, from 100 to 999: numbers, ranges like "200-399" and '
            'classes like "2xx". They are returned as numbers and ranges.',
            wire=list[int | str],
            write=formats.written_status_codes,
            examples=[[204, "300-399"]],
        ),
    ] = DEFAULT_STATUS_RANGES
    follow_redirects: Annotated[bool, boolean("Follow redirects to the final page.")] = True
    verify_ssl: Annotated[bool, boolean("Treat an invalid certificate as down.")] = True
    tls_min_version: Annotated[
        str | None,
        field(
            or_null(formats.tls_version),
            'The oldest version of TLS that counts as up: "1.0", "1.1", "1.2" or "1.3"; null, the '
            "default: 1.2, and any where `verify_ssl` is false.",
        ),
    ] = None
