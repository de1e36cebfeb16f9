"""Whether the first check could be made, and what is missing where it could not. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from monitor.local.http import Response
from monitor.local.processes import REGION
from monitor.services.workers import presence
from monitor.services.workers.presence import Present

_ROLES = {
    presence.CENTRAL: "central",
    presence.SCHEDULER: "scheduler",
    presence.REGION: REGION,
}
"""Who takes part in a check beside the API, with the name of its child."""

_ADVICE = {"ticks": " (is INFLUXDB_URL right, and its server running?)"}


def missing(ready: Response, processes: Sequence[Present], logs: Path) -> str | None:
    """What is missing, in words that go on after "not ready yet: "; None where nothing is.

    ``ready``: the API's response to /readyz. ``processes``: those that were heard of.
    """
    if ready.status == 0:
        return f"the API does not answer; its log is {logs / 'api.log'}"
    if ready.status != 200:
        if "misconfigured" in (states := _states(ready)).values():
            return f"{str(ready.body.get('detail', '')).removesuffix('.')}; logs are in {logs}"
        down = [name for name, state in states.items() if state != "ok"]
        away = [f"{name}{_ADVICE.get(name, '')}" for name in down] or ["the API"]
        return f"these do not answer: {', '.join(away)}; logs are in {logs}"
    roles = {process.role for process in processes}
    for role, child in _ROLES.items():
        if role not in roles:
            return f"nothing was heard of the process {child!r} yet; its log is {logs / child}.log"
    return None


def _states(ready: Response) -> dict[str, str]:
    checks = ready.body.get("checks")
    return checks if isinstance(checks, dict) else {}
