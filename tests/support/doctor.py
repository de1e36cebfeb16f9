"""`monitor doctor` run as a process of its own, and what it printed."""

import asyncio
import json
import os
import sys
from pathlib import Path

MONITOR = Path(sys.executable).with_name("monitor")


class Seen:
    """What doctor printed: the findings by name."""

    def __init__(self, code, printed):
        self.code = code
        self.printed = printed
        self.well = json.loads(printed)["well"]
        self.findings = {f["name"]: f for f in json.loads(printed)["findings"]}

    def state(self, name):
        return self.findings[name]["state"]

    def words(self, name):
        return f"{self.findings[name]['what']}: {self.findings[name]['what_to_do']}"

    def named(self, state):
        return sorted(name for name, f in self.findings.items() if f["state"] == state)


async def doctor(**env):
    code, printed, error = await run("--json", **env)
    assert error == ""
    return Seen(code, printed)


async def run(*words, **env):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", MONITOR, "doctor", *words,
        env={"PATH": os.environ["PATH"], **env}, cwd="/",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        printed, error = await process.communicate()
    return process.returncode, printed.decode(), error.decode()
