"""How a definition is written in Redis: MessagePack that the versions before and after can read.

- The version before names no ``kind``: its only one is the default.
- It calls encrypted options ``sealed``, and two of them by shorter names, which go on being used.
- A kind that only a newer version knows becomes ``UnknownOptions``.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec
from msgspec.structs import replace

from monitor.resources.check_options import DEFAULT_KIND, KINDS, CheckOptions, UnknownOptions
from monitor.resources.website import Definition

_SHORT_NAMES = {"request_headers": "headers", "request_body": "body"}
_FULL_NAMES = {short: full for full, short in _SHORT_NAMES.items()}

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Definition).decode
_decode_plain = msgspec.msgpack.Decoder().decode


def encode(definition: Definition) -> bytes:
    """The bytes of a definition."""
    if definition.encrypted:
        definition = replace(definition, encrypted=_renamed(definition.encrypted, _SHORT_NAMES))
    return _encode(definition)


def decode(raw: bytes) -> Definition:
    """The definition of these bytes. Raises msgspec.ValidationError for what is none."""
    try:
        definition = _decode(raw)
    except msgspec.ValidationError:
        definition = _of_another_version(_decode_plain(raw))
    if definition.encrypted:
        definition = replace(definition, encrypted=_renamed(definition.encrypted, _FULL_NAMES))
    return definition


def _renamed(tokens: dict[str, str], names: dict[str, str]) -> dict[str, str]:
    return {names.get(name, name): token for name, token in tokens.items()}


def _of_another_version(plain: dict[str, Any]) -> Definition:
    """Without a kind, or of one that is not known here."""
    check = {"kind": DEFAULT_KIND} | plain["check"]
    if check["kind"] in KINDS:
        return msgspec.convert(plain | {"check": check}, Definition)
    unknown = msgspec.convert(check, UnknownOptions)
    regions = plain.get("regions")
    return Definition(cast("CheckOptions", unknown), None if regions is None else tuple(regions))
