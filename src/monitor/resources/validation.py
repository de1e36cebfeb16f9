"""What a caller may send about a website or a region. Pure; every bad field is named at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from monitor.domain.errors import FieldProblem, InvalidInput
from monitor.domain.outcome import printable
from monitor.domain.website import (
    DEFAULT_STATUS_RANGES,
    MAX_CHECK_FREQUENCY_S,
    MAX_REQUEST_TIMEOUT_S,
    MIN_CHECK_FREQUENCY_S,
    MIN_REQUEST_TIMEOUT_S,
    NOTHING_SEALED,
    CheckOptions,
    Sealed,
    StatusRanges,
    Website,
)
from monitor.resources import formats, secrets
from monitor.resources.formats import Refused

_MAX_PROBLEMS = 50

Check = Callable[[object], Any]


class BadQuery(InvalidInput):
    """A query parameter, not a field of a body, cannot be accepted."""


class WebsiteFields(Struct, frozen=True, kw_only=True):
    """The fields sent about a website, each checked by itself. UNSET: not sent."""

    url: str | UnsetType = UNSET
    name: str | UnsetType | None = UNSET
    regions: tuple[str, ...] | UnsetType | None = UNSET
    check_frequency: int | UnsetType = UNSET
    request_timeout: int | UnsetType = UNSET
    http_method: str | UnsetType = UNSET
    request_headers: dict[str, str] | UnsetType = UNSET
    request_body: str | UnsetType = UNSET
    expected_status_codes: StatusRanges | UnsetType = UNSET
    follow_redirects: bool | UnsetType = UNSET
    verify_ssl: bool | UnsetType = UNSET
    paused: bool | UnsetType = UNSET
    alert_emails: tuple[str, ...] | UnsetType = UNSET
    external_id: str | UnsetType | None = UNSET


class RegionFields(Struct, frozen=True, kw_only=True):
    """The fields sent about a region. UNSET: not sent."""

    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET


class Draft(Struct, frozen=True, kw_only=True):
    """A whole website as its owner wants it: what is stored, less ids and times.

    Of what is ``sealed``, ``check`` holds what may be shown.
    """

    name: str
    check: CheckOptions
    regions: tuple[str, ...] | None
    paused: bool
    alert_emails: tuple[str, ...]
    external_id: str | None
    sealed: Sealed = NOTHING_SEALED


def or_null(check: Check) -> Check:
    """The same check, which null passes."""
    return lambda value: None if value is None else check(value)


_WEBSITE_CHECKS: Mapping[str, Check] = {
    "url": formats.url,
    "name": or_null(partial(formats.text, most=255)),
    "regions": or_null(formats.region_names),
    "check_frequency": partial(
        formats.integer, least=MIN_CHECK_FREQUENCY_S, most=MAX_CHECK_FREQUENCY_S
    ),
    "request_timeout": partial(
        formats.integer, least=MIN_REQUEST_TIMEOUT_S, most=MAX_REQUEST_TIMEOUT_S
    ),
    "http_method": formats.http_method,
    "request_headers": formats.headers,
    "request_body": formats.request_body,
    "expected_status_codes": formats.status_codes,
    "follow_redirects": formats.boolean,
    "verify_ssl": formats.boolean,
    "paused": formats.boolean,
    "alert_emails": formats.emails,
    "external_id": or_null(partial(formats.text, most=255)),
}
_WEBSITE_READ_ONLY = frozenset({"id", "status", "created_at", "updated_at"})

_REGION_CHECKS: Mapping[str, Check] = {
    "name": formats.region_name,
    "description": partial(formats.text, most=255, least=0),
}
_REGION_READ_ONLY = frozenset({"created_at", "updated_at", "last_seen_at", "network"})


def new_website(body: object) -> WebsiteFields:
    """Check what was sent to make a website. Raises InvalidInput."""
    return WebsiteFields(**checked(body, _WEBSITE_CHECKS, _WEBSITE_READ_ONLY, required=("url",)))


def changed_website(body: object) -> WebsiteFields:
    """Check what was sent to change a website. Raises InvalidInput."""
    return WebsiteFields(**checked(body, _WEBSITE_CHECKS, _WEBSITE_READ_ONLY))


def new_region(body: object) -> RegionFields:
    """Check what was sent to make a region. Raises InvalidInput."""
    return RegionFields(**checked(body, _REGION_CHECKS, _REGION_READ_ONLY, required=("name",)))


def changed_region(body: object) -> RegionFields:
    """Check what was sent to change a region; its name stays. Raises InvalidInput."""
    checks = {"description": _REGION_CHECKS["description"]}
    return RegionFields(**checked(body, checks, _REGION_READ_ONLY | {"name"}))


def checked(
    body: object,
    checks: Mapping[str, Check],
    read_only: frozenset[str],
    required: Sequence[str] = (),
) -> dict[str, Any]:
    """The values of a body's fields, each as its check returns it. Raises InvalidInput."""
    if not isinstance(body, dict):
        raise InvalidInput.of("body", "must be a JSON object")
    values: dict[str, Any] = {}
    problems: list[FieldProblem] = []
    for name, value in body.items():
        try:
            values[name] = _check_of(name, checks, read_only)(value)
        except Refused as refused:
            problems.append(FieldProblem(printable(name) or "(no name)", str(refused)))
    problems += [FieldProblem(name, "is required") for name in required if name not in body]
    if problems:
        raise InvalidInput(problems[:_MAX_PROBLEMS])
    return values


def _check_of(name: str, checks: Mapping[str, Check], read_only: frozenset[str]) -> Check:
    if name in read_only:
        raise Refused("is read-only")
    if name not in checks:
        raise Refused("is not a field of this object")
    return checks[name]


def draft_of(website: Website) -> Draft:
    """What of a stored website its owner can change."""
    return Draft(
        name=website.name,
        check=website.check,
        regions=website.regions,
        paused=website.paused_at is not None,
        alert_emails=website.alert_emails,
        external_id=website.external_id,
        sealed=website.sealed,
    )


def draft(fields: WebsiteFields, before: Draft | None = None) -> Draft:
    """The website that these fields make, alone or on top of what was.

    A name that was never given follows the URL. Where headers or a body are sent, ``before`` must
    not be sealed: a mask stands for what there was. Raises InvalidInput where fields contradict
    each other, or would move secrets to another server.
    """
    check = _options(fields, None if before is None else before.check)
    return Draft(
        name=_name(fields, check.url, before),
        check=check,
        regions=_sent(fields.regions, before.regions if before else None),
        paused=_sent(fields.paused, before.paused if before else False),
        alert_emails=_sent(fields.alert_emails, before.alert_emails if before else ()),
        external_id=_sent(fields.external_id, before.external_id if before else None),
        sealed=before.sealed if before else NOTHING_SEALED,
    )


def _options(fields: WebsiteFields, before: CheckOptions | None) -> CheckOptions:
    assert before is not None or fields.url is not UNSET
    old = before or CheckOptions(
        url=str(fields.url), request_headers={}, expected_status_codes=DEFAULT_STATUS_RANGES
    )
    fields = _unmasked(fields, old)
    options = CheckOptions(
        **{n: _sent(getattr(fields, n), getattr(old, n)) for n in CheckOptions.__struct_fields__}
    )
    if options.request_timeout >= options.check_frequency:
        named = "check_frequency" if fields.request_timeout is UNSET else "request_timeout"
        raise InvalidInput.of(
            named,
            f"request_timeout ({options.request_timeout} s) must be less than "
            f"check_frequency ({options.check_frequency} s)",
        )
    return options


def _unmasked(fields: WebsiteFields, old: CheckOptions) -> WebsiteFields:
    """The fields with the values that masks stand for."""
    if fields.url is not UNSET:
        secrets.refuse_moving(keeps_secrets(fields, old), old.url, fields.url)
    headers, body = fields.request_headers, fields.request_body
    if headers is not UNSET and secrets.has_mask(headers):
        headers = secrets.unmasked_headers(headers, old.request_headers)
    if body == secrets.MASK:
        body = secrets.unmasked_body(secrets.MASK, old.request_body)
    return replace(fields, request_headers=headers, request_body=body)


def keeps_secrets(fields: WebsiteFields, old: CheckOptions) -> bool:
    """Whether these fields leave a hidden value as it is."""
    headers, body = fields.request_headers, fields.request_body
    if headers is UNSET:
        kept = any(secrets.hidden(*header) for header in old.request_headers.items())
    else:
        kept = secrets.has_mask(headers)
    return kept or (bool(old.request_body) and body in (UNSET, secrets.MASK))


def _name(fields: WebsiteFields, url: str, before: Draft | None) -> str:
    if isinstance(fields.name, str):
        return fields.name
    given = before is not None and before.name != formats.default_name(before.check.url)
    if before is not None and given and fields.name is UNSET:
        return before.name
    return formats.default_name(url)


def _sent(value: Any, otherwise: Any) -> Any:
    return otherwise if value is UNSET else value
