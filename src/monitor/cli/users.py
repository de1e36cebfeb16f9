"""`monitor users`: works on the database directly, for users without a key."""

# ruff: noqa: PLC0415 - `monitor --help` must be fast: heavy modules are imported inside

from __future__ import annotations

import datetime as dt
import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from monitor.cli.commands import with_pool
from monitor.domain.errors import InvalidInput
from monitor.runtime.terminal import single_line

if TYPE_CHECKING:
    from monitor.services.people.links import Link
    from monitor.storage.postgres.pool import Pool
    from monitor.storage.postgres.users import UserInfo

_PAGE = 500


def list_users(_: Namespace) -> None:
    """Print a line for each person."""
    row = "{:<36}  {:<5}  {:<8}  {:<16}  {:<16}  {:>4}  {}"
    print(row.format("ID", "ROLE", "STATE", "INVITED", "LAST SEEN", "KEYS", "ADDRESS"))
    for user in with_pool(_all):
        times = map(_time, (user.created_at, user.last_seen_at))
        print(
            row.format(
                str(user.id),
                user.role,
                user.state,
                *times,
                user.active_keys,
                single_line(user.email),
            )
        )


async def _all(pool: Pool) -> list[UserInfo]:
    from monitor.services.people import users

    rows, cursor = await users.page(pool, _PAGE, None)
    while cursor is not None:
        more, cursor = await users.page(pool, _PAGE, cursor)
        rows += more
    return rows


def _time(at: dt.datetime | None) -> str:
    return "-" if at is None else f"{at:%Y-%m-%d %H:%M}"


def invite_user(arguments: Namespace) -> None:
    """Print the token of a link for a new person, or for the first admin."""
    from monitor.resources.user import new_user
    from monitor.services.people import links, users

    if arguments.email is None:
        if arguments.role or arguments.zone:
            raise InvalidInput.of("EMAIL", "is required with --role and --zone")
        _print(with_pool(links.link_first_admin))
        return
    sent = {"email": arguments.email, "role": arguments.role, "zone": arguments.zone}
    fields = new_user({name: value for name, value in sent.items() if value is not None})
    _print(with_pool(lambda pool: users.invite(pool, fields)).link)


def reset_user(arguments: Namespace) -> None:
    """Print the token of a link with which a person chooses a password."""
    from monitor.services.people import users
    from monitor.services.people.users import Invited

    async def reset(pool: Pool) -> Invited:
        return await users.reset(pool, (await users.find(pool, arguments.user)).id)

    _print(with_pool(reset).link)


def _print(link: Link) -> None:
    """The token alone on standard output, what is to be known of it on standard error."""
    print(link.token)
    purpose = link.purpose.replace("_", " ")
    print(f"For one {purpose}, until {link.expires_at:%Y-%m-%d %H:%M} UTC.", file=sys.stderr)


def disable_user(arguments: Namespace) -> None:
    """Disable a person, which ends their sessions; say which of their keys go on working."""
    user = _change(arguments, disabled=True, revoke_keys=arguments.revoke_keys)
    print(f"Disabled {user.id}; no session of theirs is left.")
    if user.active_keys:
        print(
            f"{user.active_keys} API keys that they made go on working: --revoke-keys ends them.",
            file=sys.stderr,
        )


def enable_user(arguments: Namespace) -> None:
    """Let a disabled person sign in again."""
    print(f"Enabled {_change(arguments, disabled=False).id}.")


def _change(arguments: Namespace, *, disabled: bool, revoke_keys: bool = False) -> UserInfo:
    from monitor.services.people import users

    async def change(pool: Pool) -> UserInfo:
        user = await users.find(pool, arguments.user)
        return await users.change(pool, user.id, {"disabled": disabled}, revoke_keys=revoke_keys)

    return with_pool(change)
