"""Where an error that nobody foresaw was raised: its own text may quote a secret."""

from __future__ import annotations

from pathlib import Path


def described(error: BaseException) -> str:
    """Its type and the last line of code, such as "TypeError in vault.py:12"."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    where = f"{Path(last.tb_frame.f_code.co_filename).name}:{last.tb_lineno}" if last else "?"
    return f"{type(error).__name__} in {where}"
