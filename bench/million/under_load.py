"""The API under load while checks go on, and what else was late in those seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from bench import api_load, late
from bench.watch import Watch

from .importing import Api
from .options import Wanted

KINDS = ("page", "series", "create")
REPORTS = ("uptime", "by_status", "by_uptime", "by_p95", "sla_30", "sla_365")


def run(
    wanted: Wanted,
    watch: Watch,
    api: Api,
    ids: list[UUID],
    *,
    name: str = "added",
    kinds: Sequence[str] = KINDS,
    per_s: int | None = None,
) -> dict[str, Any]:
    """Ask with a client of its own process; what ``api_load`` prints, and ``late``.

    ``ids``: websites with a history. ``name``: what the addresses of new websites begin with.
    ``kinds``: of ``api_load``. ``per_s``: requests a second, where not as many as the options say.
    """
    stack = watch.stack
    path = stack.directory / "ids.txt"
    path.write_text("\n".join(map(str, ids)), encoding="ascii")
    new_url = stack.targets.url_by_address(wanted.sites).replace("/site/", f"/{name}/") + "/{}"
    command = [
        sys.executable, api_load.__file__, api.url, "--ids", str(path), "--new-url", new_url,
        "--per-s", str(per_s or wanted.api_per_s), "--seconds", str(wanted.api_s),
        "--kinds", ",".join(kinds),
    ]  # fmt: skip
    environment = {**os.environ, "BENCH_KEY": api.key}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as client:
        # Answers may take 30 s after the last request was sent.
        within_s = wanted.api_s + 60.0
        with late.watched(stack) as asked:
            watch.wait_for(
                lambda: client.poll() is not None, "the API under load", within_s=within_s
            )
        assert client.stdout is not None
        said: dict[str, Any] = json.loads(client.stdout.read())
    return said | {"late": {name: each.told() for name, each in asked.items()}}
