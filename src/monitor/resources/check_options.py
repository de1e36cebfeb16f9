"""The kinds of checks there are, and what the fields of their options declare. Pure."""

from __future__ import annotations

from typing import Any, TypeAlias, Union

from msgspec import Struct

from monitor.resources.fields import Declared, declarations
from monitor.resources.http_options import HttpOptions

CheckOptions: TypeAlias = HttpOptions
"""The options of any kind of check, for type checkers: a union once there are several."""

KINDS: dict[str, type[CheckOptions]] = {"http": HttpOptions}
"""The struct of each kind. A new kind is a struct of its own and a line here."""

DEFAULT_KIND = "http"


class UnknownOptions(Struct, frozen=True, kw_only=True):
    """Options of a kind that a newer version projects and this one does not know."""

    kind: str
    check_frequency: int
    request_timeout: int


def kind_of(options: Struct) -> str:
    """The kind of check that these options are for."""
    if isinstance(options, UnknownOptions):
        return options.kind
    return str(options.__struct_config__.tag)


def any_kind() -> Any:
    """The type of the options of every kind, to be decoded by their ``kind``."""
    return Union[tuple(KINDS.values())]  # noqa: UP007 - made from a registry


DECLARED: dict[str, dict[str, Declared]] = {
    kind: declarations(options) for kind, options in KINDS.items()
}
"""The declared fields of each kind's options."""

OPTION_FIELDS: dict[str, Declared] = {
    name: one for fields in DECLARED.values() for name, one in fields.items()
}
"""The fields of all kinds. Kinds that share a name share its declaration."""

SECRET_FIELDS: dict[str, Declared] = {
    name: one for name, one in OPTION_FIELDS.items() if one.field.secret is not None
}
"""Those that may hold a secret."""
