"""The settings: that each can be read, and where those that are set come from."""

from __future__ import annotations

from difflib import get_close_matches

from monitor.runtime.settings import TABLE
from monitor.runtime.settings_survey import Survey
from monitor.services.doctor.check import Check, Context
from monitor.services.doctor.finding import Finding, Report

_REPORT = Report("settings")
_NAMED = 4
"""So many are named even where all come from one source."""


async def look(context: Context) -> Finding:
    return judge(context.survey)


def judge(survey: Survey) -> Finding:
    """The finding for these settings. Pure."""
    if survey.problems:
        return _REPORT.failed(
            " ".join(survey.problems), "correct this and start again what uses it"
        )
    where = _where(survey)
    if survey.unknown:
        return _REPORT.warning(
            f"not known: {', '.join(survey.unknown)} ({where or 'none is set'})",
            f"{_meant(survey.unknown[0])}, or remove it",
        )
    return _REPORT.ok(where or "none is set, the defaults hold")


def _where(survey: Survey) -> str:
    """Where they come from: all from one source, or which from which."""
    by_source: dict[str, list[str]] = {}
    for name, source in survey.sources.items():
        by_source.setdefault(source, []).append(name)
    if len(by_source) == 1 and len(survey.sources) > _NAMED:
        return f"{len(survey.sources)} are set, all from {next(iter(by_source))}"
    return "; ".join(f"{', '.join(names)} from {source}" for source, names in by_source.items())


def _meant(name: str) -> str:
    meant = get_close_matches(name, [setting.name for setting in TABLE], n=1)
    return (
        f"write {meant[0]} if that is meant" if meant else f"look up {name} in `monitor settings`"
    )


CHECK = Check(_REPORT, look)
