"""Logging: structlog for our own lines and for every library's; JSON when not on a terminal."""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

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

    ``process`` is bound to every line. Libraries speak from warnings on, below debug level.
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
    """Cut a text of Dramatiq's: it quotes messages whole, tens of kB. The exception stays.

    A filter of the handler, as a logger's own does not see what its children log.
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
        # Plain: the rich kind prints local variables, and those may hold secrets.
        plain = structlog.dev.plain_traceback
        last.append(structlog.dev.ConsoleRenderer(exception_formatter=plain))
    else:
        last += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=_SHARED, processors=last)
