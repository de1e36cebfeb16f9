"""The registry of check kinds, and the declared fields of their options. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from msgspec import Struct

from monitor.resources.fields import Declared, declarations
from monitor.resources.http_options import HttpOptions
from monitor.resources.secrets import Secret

KINDS: dict[str, Any] = {"http": HttpOptions}
"""The options struct of each kind. A new kind needs its struct and one line here."""

DEFAULT_KIND = "http"

if TYPE_CHECKING:
    CheckOptions: TypeAlias = HttpOptions
else:
    CheckOptions = Union[tuple(KINDS.values())]  # noqa: UP007 - made from a registry
"""The options of any kind of check, told apart by their ``kind``."""


class UnknownOptions(Struct, frozen=True, kw_only=True):
    """Options of a kind that a newer version projected and this one does not support.

    Defaults stand in for fields left out; no check uses them.
    """

    kind: str
    check_frequency: int = 180
    request_timeout: int = 15


def kind_of(options: Struct) -> str:
    """The kind of these options."""
    if isinstance(options, UnknownOptions):
        return options.kind
    return str(options.__struct_config__.tag)


DECLARED: dict[str, dict[str, Declared]] = {
    kind: declarations(options) for kind, options in KINDS.items()
}
"""The declared fields of each kind's options."""

OPTION_FIELDS: dict[str, Declared] = {
    name: one for fields in DECLARED.values() for name, one in fields.items()
}
"""The fields of all kinds. A name has the same declaration in all kinds."""

SECRETS: dict[str, Secret] = {
    name: one.field.secret for name, one in OPTION_FIELDS.items() if one.field.secret is not None
}
"""The fields that may hold a secret, and how each is hidden."""


def without_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """Only the options that differ from their defaults: what is stored."""
    return {n: v for n, v in values.items() if v != OPTION_FIELDS[n].initial()}


def _refuse_conflicts() -> None:
    """Kinds that share a name share its declaration: queries know one default for all of them."""
    for kind, fields in DECLARED.items():
        for name, one in fields.items():
            if not one.required and one.initial() != OPTION_FIELDS[name].initial():
                raise TypeError(f"{name} of {kind} has another default in another kind")


_refuse_conflicts()
