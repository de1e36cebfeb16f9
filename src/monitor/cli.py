"""The command line: `monitor COMMAND`. Each command imports what it needs when it is run."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import TypeAlias

from monitor import cli_commands as commands
from monitor.domain.access import Role
from monitor.domain.errors import MonitorError

_EXAMPLES = """\
examples:
  monitor up                    run everything on this machine, in the foreground
  monitor up --demo             the same, with a small site that fails and recovers
  monitor down                  stop the stack of this MONITOR_DATA_DIR from elsewhere
  monitor migrate               bring the database of DATABASE_URL up to date
  monitor api                   serve the API
  monitor sync                  make what Redis shows anew from Postgres
  monitor keys create --name deploy --role write
  monitor settings              show every setting and its value

other processes:
  periodiq monitor.actors                           the scheduler
  dramatiq monitor.actors                           the central worker
  MONITOR_REGION=europe dramatiq monitor.actors     a worker of the region europe

Settings come from the environment and from `.env` in the working directory.
"""

_KEYS_EXAMPLES = """\
examples:
  monitor keys create --name dashboard --role read
  monitor keys list
  monitor keys revoke 0190a8e2-7b1c-7d3e-9f00-3c5d2a1b4e6f
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 1 for an error of ours, 2 for a usage error."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
        sys.stdout.flush()
        return 0
    except MonitorError as error:
        print(f"monitor: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not try to flush it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="monitor",
        description="Watch websites from several regions and tell people when they are down.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"monitor {version('monitor')}")
    names = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_local(names)
    _add_serving(names)
    _add_keys(names)
    return parser


_Names: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _add_local(names: _Names) -> None:
    up = names.add_parser(
        "up",
        help="run everything on this machine",
        description="Run PostgreSQL, Redis, a mailbox, API, scheduler and workers in the "
        "foreground, with all data in MONITOR_DATA_DIR. DATABASE_URL and REDIS_URL are not used.",
    )
    up.add_argument("--demo", action="store_true", help="watch a site that fails and recovers")
    up.set_defaults(run=commands.up)
    down = names.add_parser("down", help="stop the stack that `monitor up` runs elsewhere")
    down.set_defaults(run=commands.down)


def _add_serving(names: _Names) -> None:
    migrate = names.add_parser("migrate", help="apply missing migrations to DATABASE_URL")
    migrate.set_defaults(run=commands.migrate)
    api = names.add_parser("api", help="serve the API on MONITOR_API_HOST:MONITOR_API_PORT")
    api.set_defaults(run=commands.api)
    sync = names.add_parser("sync", help="make what Redis shows anew from Postgres; checks go on")
    sync.set_defaults(run=commands.sync)
    settings = names.add_parser("settings", help="show every setting; secrets are masked")
    settings.set_defaults(run=commands.settings)


def _add_keys(names: _Names) -> None:
    keys = names.add_parser(
        "keys",
        help="make, list and revoke API keys",
        epilog=_KEYS_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = keys.add_subparsers(title="actions", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a key and print it, this once")
    create.add_argument("--name", required=True, help="what it is for, for people")
    create.add_argument("--role", required=True, choices=[role.value for role in Role])
    create.set_defaults(run=commands.create_key)
    actions.add_parser("list", help="list all keys").set_defaults(run=commands.list_keys)
    revoke = actions.add_parser("revoke", help="end a key for good")
    revoke.add_argument("id", metavar="ID", help="as `monitor keys list` shows it")
    revoke.set_defaults(run=commands.revoke_key)


if __name__ == "__main__":
    sys.exit(main())
