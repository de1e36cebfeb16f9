"""All settings looked at at once: what is wrong with each, and where each comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from monitor.domain.errors import SettingsError
from monitor.runtime import settings as declared
from monitor.runtime.settings import TABLE, Setting, Settings

ENVIRONMENT = "the environment"
_PREFIX = "MONITOR_"


class Survey(Struct, frozen=True):
    """``settings``: with the defaults of those that have ``problems`` (sentences).

    ``sources``: where each that is set comes from. ``unknown``: variables named like ours.
    """

    settings: Settings
    problems: list[str]
    sources: dict[str, str]
    unknown: list[str]


def survey(
    environ: Mapping[str, str] | None = None,
    env_file: Path = Path(".env"),
    called: str = ENVIRONMENT,
) -> Survey:
    """Read all settings as ``settings.load`` does, but go on where one cannot be read.

    ``called``: what ``environ`` is, for ``sources``.
    """
    problems: list[str] = []
    in_file: Mapping[str, str | None] = {}
    with _noted(problems):
        in_file = declared.with_new_names(declared.read_env_file(env_file))
    in_environment = declared.with_new_names(os.environ if environ is None else environ)
    variables = {**in_file, **in_environment}
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for setting in TABLE:
        if not _is_set(setting, variables):
            continue
        sources[setting.name] = called if _is_set(setting, in_environment) else str(env_file)
        with _noted(problems):
            if text := declared.text_of(setting, variables):
                values[setting.name.lower()] = declared.parse(setting, text)
    settings = Settings(**values)
    with _noted(problems):
        declared.check_together(settings)
    return Survey(settings, problems, sources, _unknown(variables))


@contextmanager
def _noted(problems: list[str]) -> Iterator[None]:
    try:
        yield
    except SettingsError as error:
        problems.append(str(error))


def _is_set(setting: Setting, variables: Mapping[str, str | None]) -> bool:
    names = [name for name in (setting.name, setting.file_name) if name]
    return any((variables.get(name) or "").strip() for name in names)


def _unknown(variables: Mapping[str, str | None]) -> list[str]:
    names = {name for s in TABLE for name in (s.name, s.file_name, *s.declared.old_names)}
    return sorted(n for n in variables if n.startswith(_PREFIX) and n not in names)
