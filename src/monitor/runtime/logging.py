"""Logging: structlog for our own lines and those of libraries; JSON unless on a terminal."""

from __future__ import annotations

import io
import logging
import sys
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from monitor.runtime.terminal import escape_terminal, single_line

_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
)

_QUIET = ("aiosmtplib", "asyncio", "dramatiq", "influxdb_client", "periodiq", "psycopg.pool")

_MESSAGE_LIMIT = 300


def configure(process: str, level: str = "info", stream: TextIO | None = None) -> None:
    """Send all logs of this process to ``stream`` (standard error), one line each.

    ``process`` is bound to every line. Libraries log from warnings on, unless at debug level.
    """
    out = stream or sys.stderr
    handler = logging.StreamHandler(out)
    handler.setFormatter(_formatter(terminal=_is_terminal(out)))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(level.upper() if level == "debug" else "WARNING")
    handler.addFilter(_shorten_dramatiq)
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger; events are static dotted names, details are key=value."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def _shorten_dramatiq(record: logging.LogRecord) -> bool:
    """Shorten Dramatiq's lines: it quotes whole messages, tens of kB. The exception stays.

    A filter of the handler: a logger's own filter does not see what its children log.
    """
    if record.name.partition(".")[0] == "dramatiq":
        text = record.getMessage()
        if len(text) > _MESSAGE_LIMIT:
            record.msg, record.args = f"{text[:_MESSAGE_LIMIT]}...", ()
    return True


def _is_terminal(stream: Any) -> bool:
    isatty = getattr(stream, "isatty", None)
    return bool(isatty and isatty())


def _formatter(*, terminal: bool) -> logging.Formatter:
    last: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if terminal:
        last += [_single_lines, structlog.dev.ConsoleRenderer(exception_formatter=_traceback)]
    else:
        last += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=_SHARED, processors=last)


def _single_lines(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Escape untrusted text: it neither ends the line nor controls the terminal, as in JSON."""
    return {
        single_line(name): single_line(value) if isinstance(value, str) else value
        for name, value in event.items()
    }


def _traceback(out: TextIO, error: ExcInfo) -> None:
    """Plain, as the rich one prints local variables, which may hold secrets; indented, so that no
    line of a message can pass for a log line."""
    text = io.StringIO()
    structlog.dev.plain_traceback(text, error)
    for line in text.getvalue().strip("\n").split("\n"):
        out.write(f"\n  | {escape_terminal(line)}")
