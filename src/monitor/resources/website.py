"""Websites: the fields that owners may set, and the stored and projected forms. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from monitor.domain.errors import FieldProblem, InvalidInput
from monitor.resources import formats, secrets
from monitor.resources.check_options import (
    DECLARED,
    DEFAULT_KIND,
    KINDS,
    OPTION_FIELDS,
    SECRETS,
    CheckOptions,
    kind_of,
)
from monitor.resources.fields import (
    Check,
    Declared,
    Values,
    boolean,
    checked,
    declarations,
    field,
    or_null,
)
from monitor.resources.formats import InvalidValue
from monitor.resources.secrets import Secret


class WebsiteSettings(Struct, frozen=True, kw_only=True):
    """The fields of a website that are not options of its checks."""

    name: Annotated[
        str | None,
        field(
            or_null(partial(formats.text, most=255)),
            "1 to 255 characters; null, the default: the URL's host and path.",
            empty_word="",
        ),
    ] = None
    regions: Annotated[
        tuple[str, ...] | None,
        field(
            or_null(formats.region_names),
            "The regions to check from; null, the default: all, including future ones.",
            empty_word="all",
        ),
    ] = None
    paused: Annotated[
        bool, boolean("Stop checking. This ends an open incident; its recipients are told.")
    ] = False
    alert_emails: Annotated[
        tuple[str, ...],
        field(
            formats.emails,
            "E-mail addresses to alert; empty: the installation's recipients. Stored in ASCII, "
            "without display names.",
            max_length=formats.MAX_EMAILS,
        ),
    ] = ()
    external_id: Annotated[
        str | None,
        field(
            or_null(partial(formats.text, most=255)),
            "An id of your own, 1 to 255 characters, unique; null: none.",
        ),
    ] = None


def _kind(value: object) -> str:
    if not isinstance(value, str) or value not in KINDS:
        raise InvalidValue(f"must be one of {', '.join(KINDS)}")
    return value


SETTINGS_FIELDS: dict[str, Declared] = declarations(WebsiteSettings)

READ_ONLY = frozenset({"id", "status", "created_at", "updated_at"})


def fields_of(kind: str) -> dict[str, Declared]:
    """All fields of a website of this kind, in display order."""
    options = dict(DECLARED[kind])
    target = next(iter(options))
    first = {target: options.pop(target)}
    settings = dict(SETTINGS_FIELDS)
    leading = {name: settings.pop(name) for name in ("name", "regions")}
    return first | leading | options | settings


_CHECKS: dict[str, dict[str, Check]] = {
    kind: {"kind": _kind} | {name: one.field.check for name, one in fields_of(kind).items()}
    for kind in KINDS
}
_ANY_CHECKS: dict[str, Check] = {n: c for checks in _CHECKS.values() for n, c in checks.items()}


class Definition(Struct, frozen=True, omit_defaults=True):
    """What region workers know about a website: how to check it, and from where (None: all).

    ``encrypted``: tokens by option; ``check`` omits these options.
    """

    check: CheckOptions
    regions: tuple[str, ...] | None = None
    encrypted: dict[str, str] | None = msgspec.field(default=None, name="sealed")


class Projected(Struct, frozen=True):
    """The projection of a website; without a definition if it is deleted or paused."""

    website_id: UUID
    definition: Definition | None


class Website(Struct, frozen=True, kw_only=True):
    """A stored website. ``regions`` None means every region, including future ones.

    In ``check``, options that are ``encrypted`` are masked.
    """

    id: UUID
    name: str
    check: CheckOptions
    regions: tuple[str, ...] | None
    paused_at: dt.datetime | None
    alert_emails: tuple[str, ...]
    external_id: str | None
    created_at: dt.datetime
    updated_at: dt.datetime
    encrypted: dict[str, str] = msgspec.field(default_factory=dict)


class Draft(Struct, frozen=True, kw_only=True):
    """The complete configuration of a website: what is stored, without id and times.

    In ``check``, options that are ``encrypted`` are masked.
    """

    name: str
    check: CheckOptions
    regions: tuple[str, ...] | None
    paused: bool
    alert_emails: tuple[str, ...]
    external_id: str | None
    encrypted: dict[str, str] = msgspec.field(default_factory=dict)


def new_website(body: object) -> Values:
    """Validate the body that creates a website. Raises InvalidInput."""
    sent = body.get("kind") if isinstance(body, dict) else None
    kind = sent if isinstance(sent, str) and sent in KINDS else DEFAULT_KIND
    required = [name for name, one in DECLARED[kind].items() if one.required]
    return checked(body, _CHECKS[kind], READ_ONLY, required)


def changed_website(body: object) -> Values:
    """Validate the body that changes a website. Raises InvalidInput."""
    return checked(body, _ANY_CHECKS, READ_ONLY)


def draft_of(website: Website) -> Draft:
    """The configuration of a stored website."""
    return Draft(
        name=website.name,
        check=website.check,
        regions=website.regions,
        paused=website.paused_at is not None,
        alert_emails=website.alert_emails,
        external_id=website.external_id,
        encrypted=website.encrypted,
    )


def draft(sent: Values, before: Draft | None = None) -> Draft:
    """The website that results from these fields, new or on top of ``before``.

    A default name follows the URL. If secrets are sent, ``before`` must be decrypted, because a
    mask stands for the stored value. Raises InvalidInput if fields contradict each other or would
    send stored secrets to another server.
    """
    check = _options(sent, None if before is None else before.check)
    settings = {name: _setting(name, sent, before) for name in SETTINGS_FIELDS if name != "name"}
    return Draft(
        name=_name(sent, check.url, before),
        check=check,
        encrypted=before.encrypted if before else {},
        **settings,
    )


def _setting(name: str, sent: Values, before: Draft | None) -> Any:
    if name in sent:
        return sent[name]
    return SETTINGS_FIELDS[name].initial() if before is None else getattr(before, name)


def _options(sent: Values, before: CheckOptions | None) -> CheckOptions:
    kind = sent.get("kind", DEFAULT_KIND if before is None else kind_of(before))
    if before is not None and kind != kind_of(before):
        message = f"cannot be changed: this website has {kind_of(before)} checks"
        raise InvalidInput.of("kind", message)
    _refuse_foreign(kind, sent)
    values = {name: value for name, value in sent.items() if name in DECLARED[kind]}
    if before is None:
        options: CheckOptions = KINDS[kind](**_unmasked(values, None))
    else:
        options = replace(before, **_unmasked(values, before))
        refuse_moving(sent, before, options)
    _refuse_long_timeout(sent, options)
    return options


def _refuse_foreign(kind: str, sent: Values) -> None:
    foreign = [n for n in sent if n in OPTION_FIELDS and n not in DECLARED[kind]]
    if foreign:
        raise InvalidInput(
            [FieldProblem(name, f"is not a field of {kind} checks") for name in foreign]
        )


def _refuse_long_timeout(sent: Values, options: CheckOptions) -> None:
    if options.request_timeout >= options.check_frequency:
        raise InvalidInput.of(
            "request_timeout" if "request_timeout" in sent else "check_frequency",
            f"request_timeout ({options.request_timeout} s) must be less than "
            f"check_frequency ({options.check_frequency} s)",
        )


def _unmasked(values: Values, before: CheckOptions | None) -> dict[str, Any]:
    """The values with masks replaced by the stored values."""
    unmasked = dict(values)
    for name, secret in SECRETS.items():
        if name in unmasked and secret.has_mask(unmasked[name]):
            default = OPTION_FIELDS[name].initial()
            stored = default if before is None else getattr(before, name)
            unmasked[name] = secret.unmasked(name, unmasked[name], stored)
    return unmasked


def refuse_moving(sent: Values, before: CheckOptions, after: CheckOptions) -> None:
    """Raise InvalidInput if stored secrets would be kept and sent to another server."""
    if sent.keys() & {"url", "request_headers"}:
        secrets.refuse_moving(_kept(sent, before), _recipient(before), _recipient(after))


def _recipient(check: CheckOptions) -> secrets.Recipient:
    return secrets.Recipient(check.url, getattr(check, "request_headers", {}))


def resent_secrets(sent: Values) -> list[str]:
    """The fields of which a secret part was sent as itself.

    They count as changed whatever is stored: otherwise anyone could try whether a guess is right.
    """
    return [n for n, secret in SECRETS.items() if n in sent and secret.resends(sent[n])]


def _kept(sent: Values, before: CheckOptions) -> list[str]:
    """The fields whose stored secrets would be kept."""
    return [
        name
        for name, secret in SECRETS.items()
        if (secret.has_mask(sent[name]) if name in sent else _hides(secret, name, before))
    ]


def _hides(secret: Secret, name: str, options: CheckOptions) -> bool:
    value = getattr(options, name, None)
    return bool(value) and secret.hides(value)


def _name(sent: Values, url: str, before: Draft | None) -> str:
    if isinstance(sent.get("name"), str):
        return str(sent["name"])
    if before is not None and "name" not in sent:
        chosen = before.name != formats.default_name(before.check.url)
        return before.name if chosen else formats.default_name(url)
    return formats.default_name(url)


def masked(check: CheckOptions) -> CheckOptions:
    """The options with secrets masked; idempotent."""
    hidden = {
        name: secret.masked(value)
        for name, secret in SECRETS.items()
        if (value := getattr(check, name, None))
    }
    return replace(check, **hidden) if hidden else check


def shown(draft: Draft) -> dict[str, Any]:
    """The website in the format that POST accepts, with secrets masked, in display order."""
    kind, check = kind_of(draft.check), masked(draft.check)
    shown = {
        name: write(getattr(check if of_check else draft, name))
        for name, of_check, write in _SHOWN[kind]
    }
    shown["kind"] = kind
    return shown


_SHOWN = {
    kind: [(name, name in DECLARED[kind], one.field.write) for name, one in fields_of(kind).items()]
    for kind in KINDS
}
"""Of each kind, in the order shown: the name, whether it is an option, and how it is written."""


def shown_values(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Fields in wire format, with secrets masked."""
    return {name: _shown_value(name, value) for name, value in sent.items()}


def _shown_value(name: str, value: Any) -> Any:
    one = OPTION_FIELDS.get(name) or SETTINGS_FIELDS.get(name)
    if one is None or value is None:
        return value
    secret = one.field.secret
    return one.field.write(value if secret is None else secret.masked(value))
