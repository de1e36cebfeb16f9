"""`monitor keys`: works on the database directly, for users without a key."""

# ruff: noqa: PLC0415 - `monitor --help` must be fast: heavy modules are imported inside

from __future__ import annotations

import datetime as dt
from argparse import Namespace
from typing import TYPE_CHECKING
from uuid import UUID

from monitor.cli.commands import with_pool
from monitor.domain.errors import InvalidInput
from monitor.runtime.terminal import single_line

if TYPE_CHECKING:
    from monitor.storage.postgres.keys import KeyInfo


def create_key(arguments: Namespace) -> None:
    """Create a key and print it."""
    from monitor.resources.key import new_key
    from monitor.services.access import keys

    fields = new_key({"name": arguments.name, "role": arguments.role, **_lifetime(arguments)})
    print(with_pool(lambda pool: keys.create(pool, fields)).text)


def list_keys(_: Namespace) -> None:
    """Print a line for each key."""
    from monitor.services.access import keys

    row = "{:<36}  {:<5}  {:<7}  {:<16}  {:<16}  {:<16}  {}"
    print(row.format("ID", "ROLE", "STATE", "MADE", "EXPIRES", "LAST USED", "NAME"))
    for key in with_pool(keys.list_keys):
        times = map(_time, (key.created_at, key.expires_at, key.last_used_at))
        print(
            row.format(
                str(key.id),
                key.role,
                key.state,
                *times,
                single_line(key.name) + _relations(key),
            )
        )


def _time(at: dt.datetime | None) -> str:
    return "-" if at is None else f"{at:%Y-%m-%d %H:%M}"


def _relations(key: KeyInfo) -> str:
    pairs = (("replaces", key.replaces), ("replaced by", key.replaced_by))
    text = ", ".join(f"{word} {other}" for word, other in pairs if other is not None)
    return f" ({text})" if text else ""


def rotate_key(arguments: Namespace) -> None:
    """Create a successor and print it; the note on the old key goes to standard error."""
    import sys

    from monitor.resources.key import rotation
    from monitor.services.access import keys

    key_id = _id(arguments)
    overlap_s = _seconds("--overlap", arguments.overlap)
    fields = rotation({"overlap": overlap_s, **_lifetime(arguments)})
    successor = with_pool(lambda pool: keys.rotate_key(pool, key_id, fields))
    print(successor.text)
    print(f"{key_id} stays valid for {arguments.overlap}.", file=sys.stderr)


def revoke_key(arguments: Namespace) -> None:
    """Revoke a key."""
    from monitor.services.access import keys

    key_id = _id(arguments)
    with_pool(lambda pool: keys.revoke_key(pool, key_id))
    print(f"Revoked {key_id}; it may work for another 5 seconds.")


def _id(arguments: Namespace) -> UUID:
    try:
        return UUID(arguments.id)
    except ValueError:
        raise InvalidInput.of("ID", "is not a key's id; `monitor keys list` shows them") from None


def _lifetime(arguments: Namespace) -> dict[str, int]:
    text = arguments.expires_in
    return {} if text is None else {"expires_in": _seconds("--expires-in", text)}


def _seconds(option: str, text: str) -> int:
    from monitor.resources.formats import InvalidValue
    from monitor.resources.key import seconds

    try:
        return seconds(text)
    except InvalidValue as refused:
        raise InvalidInput.of(option, str(refused)) from None
