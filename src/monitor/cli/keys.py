"""`monitor keys`: straight to the database, for whoever has no key yet."""

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
    """Make a key and print it."""
    from monitor.resources.key import new_key
    from monitor.services.access import keys

    wanted = new_key({"name": arguments.name, "role": arguments.role, **_lifetime(arguments)})
    print(with_pool(lambda pool: keys.create(pool, wanted)).text)


def list_keys(_: Namespace) -> None:
    """A line for each key."""
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
    told = ", ".join(f"{word} {other}" for word, other in pairs if other is not None)
    return f" ({told})" if told else ""


def rotate_key(arguments: Namespace) -> None:
    """Make a successor and print it; what becomes of the old one goes to the terminal alone."""
    import sys

    from monitor.resources.key import rotation
    from monitor.services.access import keys

    key_id = _id(arguments)
    wanted = rotation({"overlap": _seconds("--overlap", arguments.overlap), **_lifetime(arguments)})
    made = with_pool(lambda pool: keys.rotate_key(pool, key_id, wanted))
    print(made.text)
    print(f"{key_id} goes on for {arguments.overlap}, then ends.", file=sys.stderr)


def revoke_key(arguments: Namespace) -> None:
    """End a key."""
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
    given = arguments.expires_in
    return {} if given is None else {"expires_in": _seconds("--expires-in", given)}


def _seconds(option: str, text: str) -> int:
    from monitor.resources.formats import Refused
    from monitor.resources.key import seconds

    try:
        return seconds(text)
    except Refused as refused:
        raise InvalidInput.of(option, str(refused)) from None
