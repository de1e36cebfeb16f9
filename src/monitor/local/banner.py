"""The banner that is printed once the stack is ready."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from monitor.local.directory import DataDirectory
from monitor.local.processes import LOOPBACK
from monitor.runtime.settings import Settings

_TEXT = """
  The API is at {url}, and this is its key:
  {key}
  (also in {key_file}; its schema: {url}/schema)

  Add a website:
    curl -s {url}/websites -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \
-d '{{"url": "https://example.com/"}}'

  Read its status:
    curl -s {url}/monitor -H 'Authorization: Bearer {key}'

  {mail}{in_the_clear}
  Websites at {networks} may be watched here; other private addresses are refused.
  Stop with Ctrl-C; the data stays in {data}.
"""


class BannerFacts(Struct, frozen=True):
    """The values in the banner. ``in_the_clear``: how many websites have secrets that are not
    encrypted."""

    url: str
    key: str
    directory: DataDirectory
    settings: Settings
    in_the_clear: int = 0


def banner(facts: BannerFacts) -> str:
    """The API's URL and key, two commands to paste, where mail goes, the allowed networks, and
    whether secrets are stored in the clear."""
    s, directory = facts.settings, facts.directory
    allowed = [LOOPBACK.replace(",", ", "), *map(str, s.monitor_allow_networks)]
    return _TEXT.format(
        url=facts.url,
        key=facts.key,
        key_file=_short(directory.api_key),
        mail=_mail(s, directory),
        in_the_clear=_in_the_clear(facts.in_the_clear),
        networks=", ".join(allowed),
        data=_short(directory.path),
    )


def _mail(settings: Settings, directory: DataDirectory) -> str:
    if settings.smtp_host:
        return f"Mails leave through {settings.smtp_host} (SMTP_HOST)."
    return f"Mails are not sent but filed in {_short(directory.mail)}/."


def _in_the_clear(websites: int) -> str:
    if not websites:
        return ""
    return (
        f"\n  The secrets of {websites} websites are stored in the clear, from before there was a "
        "key.\n  To encrypt them, run `.venv/bin/monitor secrets rotate` beside this."
    )


def _short(path: Path) -> str:
    """Relative to the working directory if the path is inside it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
