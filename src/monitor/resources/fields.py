"""Declarations of fields, and what is derived from them. Pure.

A field is declared once, as one line in a struct::

    follow_redirects: Annotated[bool, boolean("Follow redirects to the final page.")] = True

Its validation, OpenAPI schema, CSV column, wire format and masking are derived from its type, its
default and its ``Field``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import getitem
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, UNSET, Meta, Struct, UnsetType

from monitor.domain.errors import FieldProblem, InvalidInput
from monitor.domain.outcome import printable
from monitor.resources import formats
from monitor.resources.formats import InvalidValue
from monitor.resources.secrets import Secret

Check = Callable[[object], Any]
"""Converts a value as sent to the value to store. Raises InvalidValue."""

Values = Mapping[str, Any]
"""The fields of a request by name, each validated on its own; absent: not sent."""

_MAX_PROBLEMS = 50


def _unchanged(value: Any) -> Any:
    return value


class Field(Struct, frozen=True):
    """What the type of a field does not express.

    ``wire``: the type as sent, unless it is the stored type with arrays for tuples. ``write``:
    converts a stored value to the value as sent. ``secret``: how values are masked, if they may be
    secret. ``empty_word``: the CSV cell of a value that is empty, which is null or has no items or
    characters; "" if that has no cell of its own.
    """

    check: Check
    meta: Meta
    wire: Any = UNSET
    write: Callable[[Any], Any] = _unchanged
    secret: Secret | None = None
    empty_word: str = "none"


class Declared(Struct, frozen=True):
    """A field of a struct: its name, its type as sent, and its default as stored."""

    name: str
    field: Field
    wire: Any
    default: Any
    default_factory: Any

    @property
    def required(self) -> bool:
        return self.default is NODEFAULT and self.default_factory is NODEFAULT

    def initial(self) -> Any:
        """The value of a field that was not sent."""
        return self.default if self.default_factory is NODEFAULT else self.default_factory()


def field(check: Check, description: str | None = None, **rest: Any) -> Field:
    """A field with this check; ``rest``: arguments of ``Field`` and ``msgspec.Meta``."""
    own = {name: rest.pop(name) for name in Field.__struct_fields__ if name in rest}
    return Field(check, Meta(description=description, **rest), **own)


def whole_number(least: int, most: int, description: str) -> Field:
    """A whole number within bounds."""
    check = partial(formats.integer, least=least, most=most)
    return field(check, description, ge=least, le=most)


def boolean(description: str) -> Field:
    """true or false."""
    return field(formats.boolean, description)


def or_null(check: Check) -> Check:
    """The same check, but null is valid, too."""
    return lambda value: None if value is None else check(value)


def declarations(struct: type[Struct]) -> dict[str, Declared]:
    """The fields of a struct that have a ``Field``, by name and in order."""
    types = get_type_hints(struct, include_extras=True)
    declared: dict[str, Declared] = {}
    for info in msgspec.structs.fields(struct):
        stored, *extras = get_args(types[info.name]) or (None,)
        for extra in extras:
            if isinstance(extra, Field):
                wire = _wire_type(stored) if extra.wire is UNSET else extra.wire
                declared[info.name] = Declared(
                    info.name, extra, wire, info.default, info.default_factory
                )
    return declared


def _wire_type(stored: Any) -> Any:
    """The type as sent: tuples of any length become arrays."""
    arguments = get_args(stored)
    if get_origin(stored) is tuple and arguments[-1] is Ellipsis:
        return list[arguments[0]]  # type: ignore[valid-type]
    if arguments and get_origin(stored) is not dict:
        wires = [_wire_type(argument) for argument in arguments]
        union = wires[0]
        for wire in wires[1:]:
            union |= wire
        return union
    return stored


def checked(
    body: object,
    checks: Mapping[str, Check],
    read_only: frozenset[str] = frozenset(),
    required: Iterable[str] = (),
) -> dict[str, Any]:
    """Validate a body; returns the value that the check of each field returned.

    Raises InvalidInput, which names every invalid field.
    """
    if not isinstance(body, dict):
        raise InvalidInput.of("body", "must be a JSON object")
    values: dict[str, Any] = {}
    problems: list[FieldProblem] = []
    for name, value in body.items():
        try:
            values[name] = _check_of(name, checks, read_only)(value)
        except InvalidValue as invalid:
            problems.append(FieldProblem(printable(name) or "(no name)", str(invalid)))
    problems += [FieldProblem(name, "is required") for name in required if name not in body]
    if problems:
        raise InvalidInput(problems[:_MAX_PROBLEMS])
    return values


def _check_of(name: str, checks: Mapping[str, Check], read_only: frozenset[str]) -> Check:
    if name in read_only:
        raise InvalidValue("is read-only")
    if name not in checks:
        raise InvalidValue("is not a field of this object")
    return checks[name]


def _annotation(one: Declared) -> Any:
    """``Annotated[type, meta]`` for a type known only at run time."""
    return getitem(Annotated, (one.wire, one.field.meta))


def new_struct(name: str, fields: Sequence[Declared], doc: str) -> type[Struct]:
    """The schema of a body that creates something."""
    return _struct(name, [_with_default(one) for one in fields], doc)


def _with_default(one: Declared) -> tuple[str, Any, Any]:
    annotation = _annotation(one)
    if one.required:
        return one.name, annotation, NODEFAULT
    value = one.field.write(one.initial())
    if isinstance(value, (list, tuple, dict)):
        factory = partial(type(value) if isinstance(value, dict) else list, value)
        return one.name, annotation, msgspec.field(default_factory=factory)
    return one.name, annotation, value


def change_struct(name: str, fields: Sequence[Declared], doc: str) -> type[Struct]:
    """The schema of a body that changes something: every field is optional."""
    optional = [
        (one.name, Union[_annotation(one), UnsetType], UNSET)  # noqa: UP007
        for one in fields
    ]
    return _struct(name, optional, doc)


def shown_struct(
    name: str, fields: Mapping[str, Any], doc: str, optional: Mapping[str, Any] | None = None
) -> type[Struct]:
    """The schema of a response: every field is present, but for those that are ``optional``."""
    always = [(n, wire, NODEFAULT) for n, wire in fields.items()]
    asked_for = [(n, Union[wire, UnsetType], UNSET) for n, wire in (optional or {}).items()]  # noqa: UP007
    return _struct(name, [*always, *asked_for], doc)


def _struct(name: str, fields: Sequence[tuple[str, Any, Any]], doc: str) -> type[Struct]:
    required = [(n, annotation) for n, annotation, default in fields if default is NODEFAULT]
    defaults = [one for one in fields if one[2] is not NODEFAULT]
    struct = msgspec.defstruct(name, [*required, *defaults], kw_only=True)
    struct.__doc__ = doc
    return struct
