"""The commands of `monitor` and their options. Each imports what it needs when it runs."""

from __future__ import annotations

import argparse
from typing import Any, TypeAlias

from monitor import __version__
from monitor.cli import commands, doctor, transfer
from monitor.cli import keys as key_commands
from monitor.cli import rollups as rollup_commands
from monitor.cli import secrets as secret_commands
from monitor.cli import sla as sla_commands
from monitor.cli import users as user_commands
from monitor.domain.access import Role
from monitor.domain.status import Status

_EXAMPLES = """\
examples:
  monitor up                    run everything on this machine, in the foreground
  monitor up --demo             the same, with a small site that fails and recovers
  monitor down                  stop the stack on MONITOR_DATA_DIR from another terminal
  monitor migrate               apply missing migrations to DATABASE_URL
  monitor api                   serve the API
  monitor sync                  rebuild the projection in Redis from Postgres
  monitor keys create --name deploy --role write
  monitor users invite ada@example.com --role write
  monitor secrets key           print a new key for request headers and bodies
  monitor rollups rebuild --from 2026-11-01
  monitor import websites.csv   create and update the websites of a file, through the API
  monitor export websites.csv   write all websites to a file
  monitor sla --from 2026-11-01 how much of the time websites were up
  monitor settings              show every setting and its value
  monitor doctor                look for what is wrong, and say what to do about it
  monitor openssl-conf          print the path of OpenSSL's configuration for workers of regions

other processes:
  periodiq monitor.actors                           the scheduler
  dramatiq monitor.actors                           the central worker
  MONITOR_REGION=europe dramatiq monitor.actors     a worker of the region europe

Settings come from the environment and from `.env` in the working directory.
"""

_KEYS_EXAMPLES = """\
examples:
  monitor keys create --name dashboard --role read
  monitor keys create --name ci --role write --expires-in 90d
  monitor keys list
  monitor keys rotate 0190a8e2-7b1c-7d3e-9f00-3c5d2a1b4e6f --overlap 7d
  monitor keys revoke 0190a8e2-7b1c-7d3e-9f00-3c5d2a1b4e6f

A rotated key stays valid for the overlap and the new one is valid at once: deploy it meanwhile.
"""

_USERS_EXAMPLES = """\
examples:
  monitor users invite                                 for the first admin, valid for 24 hours
  monitor users invite ada@example.com --role write    valid for 7 days
  monitor users list
  monitor users reset ada@example.com                  to choose another password, within the hour
  monitor users disable ada@example.com --revoke-keys

A link can be used once and replaces the one before it. What is printed is its token: give it to
nobody but this person.
"""

_SECRETS_EXAMPLES = """\
to change the key:
  1. create a key with `monitor secrets key`, append it, MONITOR_ENCRYPTION_KEYS=OLD,NEW, and
     restart the API and the workers of all regions: now all of them can decrypt with it
  2. put it first, MONITOR_ENCRYPTION_KEYS=NEW,OLD, and restart the API
  3. run `monitor secrets rotate`, which can be interrupted and run again; checks go on
  4. remove the old key and restart the API and the workers

A first key goes the same way, as MONITOR_ENCRYPTION_KEYS=NEW: until `monitor secrets rotate` has
run, what was stored before there was a key stays in the clear.

`make up` makes a key of its own. To change it, set MONITOR_ENCRYPTION_KEYS in .env, start `make up`
again, and run `monitor secrets rotate` beside it.

A key that a running process does not know, or that the API does not encrypt with, is refused.
"""

_ROLLUPS_EXAMPLES = """\
examples:
  monitor rollups rebuild --from 2026-11-01 --to 2026-12-01     November, in UTC
  monitor rollups rebuild --from 2026-11-30T14:00Z              from that hour until now

Each hour is made of its ticks and each day of its hours, as by the central workers every hour. What
is not all kept any more (MONITOR_RAW_DAYS) is left as it is, and named. It can be interrupted and
run again; checks go on.
"""

_IMPORT_EXAMPLES = """\
examples:
  monitor import websites.csv --dry-run         report what would happen to every line
  monitor import websites.csv
  monitor import websites.ndjson --failures failed.ndjson
  monitor export --region europe | monitor import - --url https://other.example.com

A file is NDJSON, with an object per line as for POST /websites, or CSV with a header, as written
by `monitor export` or saved by a spreadsheet. A blank cell is not given. A line with the id or
external_id of a website updates it; any other line creates one. A line that fails does not affect
others, but the exit code is 1. To continue an interrupted import, use --resume with the key that
was printed.
"""

_EXPORT_EXAMPLES = """\
examples:
  monitor export                          all websites, as NDJSON to standard output
  monitor export websites.csv --paused false
  monitor export shop.ndjson --region europe --q shop.example.com
"""

_SLA_EXAMPLES = """\
examples:
  monitor sla                                       the last 30 days of all websites
  monitor sla --from 2026-11-01 --to 2026-11-30 --tz Europe/Berlin --q shop.example.com
  monitor sla --from 2026-11-01 --csv > november.csv

MEASURED is the part of the measured time that a website was up. LOW counts what was not measured
as down, HIGH as up. Per cent are rounded down. EXCLUDED: it was paused. The last line has the
totals, which are made from seconds.
"""

_DOCTOR_EXAMPLES = """\
examples:
  monitor doctor                beside a running `monitor up`, or with the settings of a server
  monitor doctor --json | jq '.findings[] | select(.state == "failed")'

ok: nothing to do. warning: it works, but not as it should. failed: it is wrong. skipped: it could
not be looked at, and why.
"""


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="monitor",
        description="Monitor websites from several regions and notify people when they are down.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"monitor {__version__}")
    names = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_local(names)
    _add_serving(names)
    _add_keys(names)
    _add_users(names)
    _add_secrets(names)
    _add_rollups(names)
    _add_import(names)
    _add_export(names)
    _add_sla(names)
    _add_doctor(names)
    _add_openssl_conf(names)
    return parser


_Names: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _add_command(
    names: _Names, name: str, summary: str, examples: str, **more: Any
) -> argparse.ArgumentParser:
    """A command whose help ends with examples."""
    raw = argparse.RawDescriptionHelpFormatter
    return names.add_parser(name, help=summary, epilog=examples, formatter_class=raw, **more)


def _add_local(names: _Names) -> None:
    up = names.add_parser(
        "up",
        help="run everything on this machine",
        description="Run PostgreSQL, Redis, a mailbox, API, scheduler and workers in the "
        "foreground, with all data in MONITOR_DATA_DIR. DATABASE_URL and REDIS_URL are not used.",
    )
    up.add_argument("--demo", action="store_true", help="monitor a site that fails and recovers")
    up.set_defaults(run=commands.up)
    down = names.add_parser("down", help="stop the stack of a running `monitor up`")
    down.set_defaults(run=commands.down)


def _add_serving(names: _Names) -> None:
    migrate = names.add_parser("migrate", help="apply missing migrations to DATABASE_URL")
    migrate.set_defaults(run=commands.migrate)
    api = names.add_parser("api", help="serve the API on MONITOR_API_HOST:MONITOR_API_PORT")
    api.set_defaults(run=commands.api)
    sync = names.add_parser(
        "sync", help="rebuild the projection in Redis from Postgres; checks go on"
    )
    sync.set_defaults(run=commands.sync)
    settings = names.add_parser("settings", help="show every setting; secrets are masked")
    form = settings.add_mutually_exclusive_group()
    form.add_argument("--env-example", action="store_true", help="print the text of .env.example")
    form.add_argument("--markdown", action="store_true", help="print the page of the documentation")
    settings.set_defaults(run=commands.settings)


def _add_keys(names: _Names) -> None:
    keys = _add_command(names, "keys", "create, list, rotate and revoke API keys", _KEYS_EXAMPLES)
    actions = keys.add_subparsers(title="actions", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="create a key and print it, only once")
    create.add_argument("--name", required=True, help="a description for people")
    create.add_argument("--role", required=True, choices=[role.value for role in Role])
    create.add_argument("--expires-in", metavar="SPAN", help="such as 90d or 12h; default: never")
    create.set_defaults(run=key_commands.create_key)
    actions.add_parser("list", help="list all keys").set_defaults(run=key_commands.list_keys)
    _add_rotate(actions)
    revoke = actions.add_parser("revoke", help="revoke a key for good")
    revoke.add_argument("id", metavar="ID", help="as shown by `monitor keys list`")
    revoke.set_defaults(run=key_commands.revoke_key)


def _add_users(names: _Names) -> None:
    parser = names.add_parser(
        "users",
        help="invite, list and disable people who sign in",
        epilog=_USERS_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    actions.add_parser("list", help="list all people").set_defaults(run=user_commands.list_users)
    _add_invite(actions)
    reset = actions.add_parser("reset", help="print a link to choose another password")
    _add_user(reset)
    reset.set_defaults(run=user_commands.reset_user)
    disable = actions.add_parser("disable", help="end the sessions of a person, and let none begin")
    _add_user(disable)
    disable.add_argument(
        "--revoke-keys", action="store_true", help="also revoke the API keys that they made"
    )
    disable.set_defaults(run=user_commands.disable_user)
    enable = actions.add_parser("enable", help="let a disabled person sign in again")
    _add_user(enable)
    enable.set_defaults(run=user_commands.enable_user)


def _add_invite(actions: _Names) -> None:
    invite = actions.add_parser("invite", help="print a link for a new person")
    invite.add_argument(
        "email", metavar="EMAIL", nargs="?", help="whose it is; default: the first admin's"
    )
    invite.add_argument("--role", choices=[role.value for role in Role], help="with EMAIL")
    invite.add_argument("--zone", help="the time zone that they read times in; default: UTC")
    invite.set_defaults(run=user_commands.invite_user)


def _add_user(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("user", metavar="USER", help="an address, or an id")


def _add_secrets(names: _Names) -> None:
    parser = _add_command(
        names, "secrets", "keys that encrypt request headers and bodies", _SECRETS_EXAMPLES
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    key = actions.add_parser("key", help="print a new key for MONITOR_ENCRYPTION_KEYS")
    key.set_defaults(run=secret_commands.new_key)
    rotate = actions.add_parser("rotate", help="encrypt everything with the first key")
    rotate.set_defaults(run=secret_commands.rotate)


def _add_rollups(names: _Names) -> None:
    parser = _add_command(
        names, "rollups", "make hourly and daily figures again", _ROLLUPS_EXAMPLES
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    rebuild = actions.add_parser("rebuild", help="make the hours and days of a span again")
    rebuild.add_argument(
        "--from", dest="since", metavar="TIME", required=True, help="a date or time, in UTC"
    )
    rebuild.add_argument(
        "--to", dest="until", metavar="TIME", help="the first one that is left out; default: now"
    )
    rebuild.set_defaults(run=rollup_commands.rebuild)


def _add_rotate(actions: _Names) -> None:
    rotate = actions.add_parser(
        "rotate", help="create a successor of a key and print it, only once"
    )
    rotate.add_argument("id", metavar="ID", help="as shown by `monitor keys list`")
    rotate.add_argument(
        "--overlap", metavar="SPAN", default="24h", help="how long the old key stays valid (24h)"
    )
    rotate.add_argument(
        "--expires-in",
        metavar="SPAN",
        help="lifetime of the new key; default: that of the old one",
    )
    rotate.set_defaults(run=key_commands.rotate_key)


def _add_import(names: _Names) -> None:
    parser = _add_command(
        names, "import", "create and update the websites of a file", _IMPORT_EXAMPLES
    )
    parser.add_argument("file", metavar="FILE", help="- for standard input")
    _add_format(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="change nothing, only report what would change"
    )
    parser.add_argument(
        "--failures", metavar="FILE", help="write all failed lines to this file, as NDJSON"
    )
    parser.add_argument("--resume", metavar="KEY", help="continue an interrupted import")
    _add_access(parser)
    parser.set_defaults(run=transfer.import_websites)


def _add_export(names: _Names) -> None:
    parser = _add_command(names, "export", "write websites to a file", _EXPORT_EXAMPLES)
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        help="readable by its owner only; default: standard output",
    )
    _add_format(parser)
    _add_filters(parser)
    _add_access(parser)
    parser.set_defaults(run=transfer.export_websites)


def _add_sla(names: _Names) -> None:
    parser = _add_command(names, "sla", "show how much of the time websites were up", _SLA_EXAMPLES)
    parser.add_argument(
        "--from", metavar="TIME", help="a time with its offset, or a date; default: 30 days ago"
    )
    parser.add_argument(
        "--to", metavar="TIME", help="a time, or a date that is the last one; default: now"
    )
    parser.add_argument(
        "--tz", metavar="ZONE", help="of dates, such as Europe/Berlin; default: UTC"
    )
    _add_filters(parser)
    parser.add_argument(
        "--status", choices=[status.value for status in Status], help="only those with this status"
    )
    parser.add_argument("--csv", action="store_true", help="print all figures, as CSV")
    _add_access(parser)
    parser.set_defaults(run=sla_commands.print_report)


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--region", help="only those checked from this region")
    parser.add_argument(
        "--paused", choices=["true", "false"], help="only paused, or only unpaused, websites"
    )
    parser.add_argument(
        "--q", metavar="TEXT", help="only those with this text in their URL or name"
    )


def _add_doctor(names: _Names) -> None:
    parser = _add_command(
        names,
        "doctor",
        "look for what is wrong with an installation, and say what to do",
        _DOCTOR_EXAMPLES,
        description="Look at everything that an installation stands on, and print a line each with "
        "what to do: settings, stores, mail server, DNS, this machine, processes, regions, keys. "
        "Changes nothing and takes a few seconds. Exit code 1 if something is wrong; warnings "
        "alone are 0.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, for machines")
    parser.set_defaults(run=doctor.doctor)


def _add_openssl_conf(names: _Names) -> None:
    parser = names.add_parser(
        "openssl-conf",
        help="print the path of OpenSSL's configuration for workers of regions",
        description="Print the path of a configuration of OpenSSL that keeps what the system's "
        "says and sets the groups that checks offer in TLS handshakes. Start workers of regions "
        "with OPENSSL_CONF set to it, and no other process: it holds for all that a process "
        "connects to.",
    )
    parser.set_defaults(run=commands.openssl_conf)


def _add_format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format", choices=["csv", "ndjson"], help="default: by the extension of the file"
    )


def _add_access(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url", help="of the API; default: MONITOR_URL, or that of a running `make up`"
    )
    parser.add_argument(
        "--key", help="for the API; prefer MONITOR_API_KEY: other users can see command lines"
    )
