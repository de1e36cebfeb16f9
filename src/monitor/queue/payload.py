"""Reading a message: what cannot be understood is logged once and put aside."""

from __future__ import annotations

from typing import TypeVar

from monitor.domain import messages
from monitor.domain.errors import BadMessage
from monitor.domain.messages import CheckBatch, CheckWebsites, Deliver, RecordFlips
from monitor.runtime.logging import get_logger

log = get_logger(__name__)

P = TypeVar("P", CheckBatch, CheckWebsites, RecordFlips, Deliver)


def read(payload: object, kind: type[P]) -> P:
    """Decode a payload. Raises BadMessage, which actors declare so that nothing retries it."""
    try:
        return messages.decode(payload, kind)
    except BadMessage as error:
        log.error("message.refused", kind=kind.__name__, error=str(error))  # noqa: TRY400 - its sentence says all
        raise
