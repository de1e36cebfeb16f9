"""Conversion of websites to and from rows.

Options that are searched have their own columns. ``options`` holds the others as JSON, tagged by
``kind`` and without default values; ``encrypted`` holds tokens by option.
"""

from __future__ import annotations

from typing import Any, LiteralString
from uuid import UUID

import msgspec
from psycopg.rows import TupleRow

from monitor.resources.check_options import (
    OPTION_FIELDS,
    SECRETS,
    CheckOptions,
    kind_of,
    without_defaults,
)
from monitor.resources.website import Draft
from monitor.resources.write_plan import Existing

OPTION_COLUMNS = ("url", "check_frequency")
"""The options with their own columns."""

CHECK_JSON: LiteralString = """(w.options || jsonb_build_object(
    'url', w.url, 'check_frequency', w.check_frequency))::text"""
"""The options of ``websites w``, as ``decode_check`` reads them."""

REQUEST_TIMEOUT = (
    "coalesce((w.options->>'request_timeout')::integer, "
    f"{OPTION_FIELDS['request_timeout'].initial()})"
)
"""The timeout of checks of ``websites w`` in seconds."""

_json = msgspec.json.Encoder()
_tokens = msgspec.json.Decoder(dict[str, str])
_check = msgspec.json.Decoder(CheckOptions)


def decode_check(text: str) -> CheckOptions:
    """Decode the options in a CHECK_JSON."""
    options: CheckOptions = _check.decode(text)
    return options


def decode_tokens(text: str | None) -> dict[str, str]:
    """Decode the tokens in the text of a column ``encrypted``."""
    return {} if text is None else _tokens.decode(text)


def options_json(check: CheckOptions) -> str:
    """Encode options for the column ``options``."""
    values = {n: getattr(check, n) for n in check.__struct_fields__ if n not in OPTION_COLUMNS}
    return to_json({"kind": kind_of(check)} | without_defaults(values))


def tokens_json(encrypted: dict[str, str]) -> str | None:
    """Encode tokens for the column ``encrypted``."""
    return to_json(encrypted) if encrypted else None


def to_json(value: Any) -> str:
    return _json.encode(value).decode()


def has_secrets(check: CheckOptions) -> bool:
    """Whether any option that may hold a secret is set, including encrypted ones."""
    return any(getattr(check, name, None) for name in SECRETS)


DRAFT_COLUMNS: LiteralString = f"""
    w.id, w.xmin::text, w.name, {CHECK_JSON}, w.paused_at IS NOT NULL, w.alert_emails,
    w.external_id,
    CASE WHEN w.all_regions THEN NULL
         ELSE ARRAY(SELECT r.region FROM website_regions r WHERE r.website_id = w.id
                    ORDER BY r.region) END,
    w.encrypted::text
"""  # noqa: S608 - constants
"""The columns of ``websites w`` that ``existing_of`` reads."""


def existing_of(row: TupleRow) -> Existing:
    """The website in a row of DRAFT_COLUMNS."""
    website_id: UUID = row[0]
    draft = Draft(
        name=row[2],
        check=decode_check(row[3]),
        regions=None if row[7] is None else tuple(row[7]),
        paused=row[4],
        alert_emails=tuple(row[5]),
        external_id=row[6],
        encrypted=decode_tokens(row[8]),
    )
    return Existing(website_id, draft, row[1])
