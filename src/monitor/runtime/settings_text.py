"""All settings as text: `.env.example`, the settings page, and what `monitor settings` prints."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from itertools import groupby

from monitor.runtime.settings import TABLE, Setting

_WIDTH = 99

_ENV_HEAD = """\
# Every setting, with its default. Copy to `.env` and set what you need; the environment wins.
# `make up` needs none of them. Quote a value that has # or spaces: NAME='va lue'.
"""


def as_env_example() -> str:
    """The text of `.env.example`: every setting, commented out, with its default."""
    entries = (
        f"\n{_wrapped(setting.purpose, '# ')}\n#{setting.name}={setting.default_text()}\n"
        for setting in TABLE
    )
    return _ENV_HEAD + "".join(entries)


def as_markdown() -> str:
    """The settings page of the documentation, without its head: a section for each setting."""
    by_group = sorted(TABLE, key=lambda setting: _GROUPS.index(setting.declared.group))
    sections = (
        f"\n## {group}\n" + "".join(map(_section, settings))
        for group, settings in groupby(by_group, key=lambda setting: setting.declared.group)
    )
    return "".join(sections).lstrip()


_GROUPS = tuple(dict.fromkeys(setting.declared.group for setting in TABLE))


def _section(setting: Setting) -> str:
    purpose = f"{setting.purpose[:1].upper()}{setting.purpose[1:]}."
    details = "\n".join(_wrapped(detail, "- ", "  ") for detail in _details(setting))
    return f"\n### `{setting.name}`\n\n{_wrapped(purpose)}\n\n{details}\n"


def _details(setting: Setting) -> Iterator[str]:
    yield f"Value: {setting.declared.parser.form}"
    default = setting.default_text()
    yield f"Default: `{default}`" if default else "Default: not set"
    if setting.file_name:
        yield f"Secret; `{setting.file_name}` may name a file that holds it"
    for old_name in setting.declared.old_names:
        yield f"Formerly `{old_name}`, which still works and logs a warning"


def as_table(values: Mapping[str, str]) -> str:
    """Every setting on one line with its value or default; secrets are masked."""
    width = max(len(setting.name) for setting in TABLE)
    return "\n".join(
        f"{setting.name:<{width}}  {_shown(setting, values.get(setting.name)):<24}  "
        f"{setting.purpose}"
        for setting in TABLE
    )


def _shown(setting: Setting, value: str | None) -> str:
    if value is None:
        return setting.default_text() or "-"
    return "(set)" if setting.secret else value


def _wrapped(text: str, first: str = "", following: str | None = None) -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=first if following is None else following,
        break_on_hyphens=False,
        break_long_words=False,
    )
