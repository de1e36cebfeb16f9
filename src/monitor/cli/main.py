"""The command line: `monitor COMMAND`. However a command ends, it ends with a sentence.

What it imports is imported inside, so that Ctrl-C in its first moments ends it silently.
"""

# ruff: noqa: PLC0415 - see above

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: the command's, or 0; 1 for errors, 2 for usage errors,
    130 for Ctrl-C."""
    try:
        return _run(argv)
    except KeyboardInterrupt:
        return 130


def _run(argv: Sequence[str] | None) -> int:
    from monitor.cli.parser import make_parser
    from monitor.domain.errors import MonitorError

    arguments = make_parser().parse_args(argv)
    try:
        code = arguments.run(arguments) or 0
        sys.stdout.flush()
        return int(code)
    except MonitorError as error:
        return _failed(str(error))
    except BrokenPipeError:
        # The reader of our output is gone; Python must not try to flush it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _failed(_of_system(error))
    except Exception as error:  # noqa: BLE001 - a command that ends shows no traceback
        return _failed(_unforeseen(error))


def _failed(sentence: str) -> int:
    from monitor.runtime.terminal import escape_terminal

    print(f"monitor: {escape_terminal(sentence)}", file=sys.stderr)
    return 1


def _of_system(error: OSError) -> str:
    """Such as "/root/x: Permission denied"."""
    what = error.strerror or type(error).__name__
    return f"{error.filename}: {what}" if error.filename is not None else what


def _unforeseen(error: Exception) -> str:
    from monitor.runtime.error_place import described

    return f"This is a fault of monitor itself ({described(error)}): please report it."


if __name__ == "__main__":
    sys.exit(main())
