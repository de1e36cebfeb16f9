"""The settings of commands beside a running stack of `make up`: all of that stack's."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec.structs import replace

from monitor.local.directory import DataDirectory
from monitor.local.processes import joined_keys
from monitor.runtime.settings import Settings, load, raw_values
from monitor.runtime.settings_survey import Survey, survey


def settings_or_stacks(*names: str) -> Settings:
    """The settings; if none of ``names`` is set, all settings of the local stack instead.

    That is the stack on MONITOR_DATA_DIR. If one of them is set, none of the stack's are used:
    what belongs together must stay together. Encryption keys that are set come before the stack's,
    as `make up` would have them.
    """
    settings, values = load(), raw_values()
    if any(name in values for name in names):
        return settings
    stacks = DataDirectory(settings.monitor_data_dir).published_settings()
    if not stacks:
        return settings
    keys = (of.get("MONITOR_ENCRYPTION_KEYS", "") for of in (values, stacks))
    return load({**stacks, "MONITOR_ENCRYPTION_KEYS": joined_keys(*keys)}, Path(os.devnull))


def survey_or_stacks(*names: str) -> Survey:
    """The same for a survey, which goes on where a setting cannot be read."""
    here = survey()
    if any(name in here.sources for name in names):
        return here
    directory = DataDirectory(here.settings.monitor_data_dir)
    stacks = directory.published_settings()
    if not stacks:
        return here
    theirs = survey(stacks, Path(os.devnull), f"the stack on {directory.path}")
    return replace(theirs, problems=[*here.problems, *theirs.problems], unknown=here.unknown)
