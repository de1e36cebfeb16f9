"""What the declaration of a setting says. Those of all settings are in ``settings.py``."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from monitor.runtime.settings_parsers import Parser


class Declared(Struct, frozen=True):
    """What a setting's declaration says beside its name, type and default.

    ``parser`` reads the text and knows its form and bounds. A ``secret`` is never shown and may
    stand in a file that ``NAME_FILE`` names. ``old_names`` go on working, with a warning.
    """

    group: str
    parser: Parser
    purpose: str
    secret: bool = False
    old_names: tuple[str, ...] = ()


class Setting(Struct, frozen=True):
    """One setting: its environment variable, its default, and what its declaration says."""

    name: str
    default: Any
    declared: Declared

    @property
    def purpose(self) -> str:
        return self.declared.purpose

    @property
    def secret(self) -> bool:
        return self.declared.secret

    @property
    def file_name(self) -> str | None:
        """The variable that names a file with this setting in it; secrets alone have one."""
        return f"{self.name}_FILE" if self.secret else None

    def default_text(self) -> str:
        """The default as one would write it; empty where there is none."""
        return "" if self.default in {None, ()} else str(self.default)
