"""The registry of check kinds, and the declared fields of their options. Pure."""

from __future__ import annotations

from typing import Any, TypeAlias, Union

from msgspec import Struct

from monitor.resources.fields import Declared, declarations
from monitor.resources.http_options import HttpOptions

CheckOptions: TypeAlias = HttpOptions
"""Options of any kind, for type checkers; to become a union with the second kind."""

KINDS: dict[str, type[CheckOptions]] = {"http": HttpOptions}
"""The options struct of each kind. A new kind needs its struct and one line here."""

DEFAULT_KIND = "http"


class UnknownOptions(Struct, frozen=True, kw_only=True):
    """Options of a kind that a newer version projected and this one does not support."""

    kind: str
    check_frequency: int
    request_timeout: int


def kind_of(options: Struct) -> str:
    """The kind of these options."""
    if isinstance(options, UnknownOptions):
        return options.kind
    return str(options.__struct_config__.tag)


def any_kind() -> Any:
    """The union of the options of all kinds, for decoders."""
    return Union[tuple(KINDS.values())]  # noqa: UP007 - made from a registry


DECLARED: dict[str, dict[str, Declared]] = {
    kind: declarations(options) for kind, options in KINDS.items()
}
"""The declared fields of each kind's options."""

OPTION_FIELDS: dict[str, Declared] = {
    name: one for fields in DECLARED.values() for name, one in fields.items()
}
"""The fields of all kinds. A name has the same declaration in all kinds."""

SECRET_FIELDS: dict[str, Declared] = {
    name: one for name, one in OPTION_FIELDS.items() if one.field.secret is not None
}
"""The fields that may hold a secret."""
