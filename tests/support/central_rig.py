"""Central workers as real processes, with flips to record: no websites, no region workers."""

import asyncio
import json
import os
import select
import signal
import sys
import sysconfig
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from monitor.domain import messages
from monitor.local import process
from monitor.queue.broker import Broker
from monitor.runtime.settings import TABLE
from monitor.services.checks.check import check_websites
from support.breakable import start_postgres, start_redis
from support.factories import outcome_503, recheck_message
from support.mailbox import Mailbox
from support.places import server_directory
from support.world import open_world

_SCRIPTS = Path(sysconfig.get_path("scripts"))
_HOOK = Path(__file__).parent / "hooks" / "kill_points"
_DOWN = outcome_503()


@dataclass
class CentralRig:
    directory: Path
    postgres: object
    redis: object
    mailbox: object
    sender: Broker
    websites: list = field(default_factory=list)
    children: list = field(default_factory=list)

    def world(self, scenario):
        """Run ``scenario(world)`` (``support.world``) on these servers, at the time it is."""

        async def now():
            async with open_world(self.postgres.url, self.redis.url) as world:
                world.now_s = time.time()
                return await scenario(world)

        return asyncio.run(now())

    def add_websites(self, count):
        async def scenario(world):
            await world.add_region("europe")
            made = [await world.add_website(f"http://example.com/{n}") for n in range(count)]
            await world.sync()
            return made

        self.websites = self.world(scenario)

    def flips(self, websites, *, down):
        """A region finds these websites down, or up: a message a flip, as it would send them."""

        async def scenario(world):
            if down:
                world.prober.outcomes = {f"http://example.com/{n}": _DOWN for n in range(1000)}
            follow, is_s = [], world.now_s
            # Two failures 20 s apart, or a success after them.
            for ago_s in (24, 4) if down else (0,):
                world.now_s = is_s - ago_s
                slot_ms = int(world.now_s) * 1000
                check = recheck_message(websites, slot_ms=slot_ms)
                follow += await check_websites(world.worker(), check)
            flips = (m.payload.flips for m in follow if m.actor == "record_flips")
            return {flip.website_id: messages.record_flips([flip]) for f in flips for flip in f}

        found = self.world(scenario)
        return [found[website] for website in websites]

    def start(self, name, *words, keep_open=(), **settings):
        """Start a process; with no words, a central worker."""
        command = [*(words or ("dramatiq", "monitor.actors", "--skip-logging", "-p1", "-t4"))]
        environment = dict(os.environ) | {s.name: "" for s in TABLE} | {
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": self.redis.url,
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(self.mailbox.port),
            "SMTP_TLS": "none",
            "SMTP_FROM": "monitor@example.com",
            "ALERT_EMAIL_TO": "ops@example.com",
        }  # fmt: skip
        with (self.directory / f"{name}.log").open("ab") as log:
            child = process.start(
                [sys.executable, "-P", _SCRIPTS / command[0], *command[1:]],
                log=log, env=environment | settings, cwd=self.directory, keep_open=keep_open,
            )  # fmt: skip
        self.children.append(child)
        return child

    def start_traced(self, steps_file):
        """A central worker that notes its steps: see the hook."""
        return self.start("traced", PYTHONPATH=str(_HOOK), STEPS_FILE=str(steps_file))

    def stop(self, child):
        self.children.remove(child)
        process.stop(child, within_s=10)

    def close(self):
        """End every process, whatever fails meanwhile."""
        with ExitStack() as stack:
            for child in self.children:
                stack.callback(process.stop, child, within_s=10)

    def killer(self):
        """What starts central workers that die at a step."""
        return Killer(self)

    def under_way(self):
        """{what: how much} that may still change something."""
        with self.redis.client() as redis:
            waiting = {
                name: redis.hlen(f"dramatiq:{name}.msgs")
                for queue in ("incidents", "notifications")
                for name in (queue, f"{queue}.DQ")
            }
        queued = self.postgres.rows("SELECT count(*) FROM notifications WHERE state = 'queued'")
        return {k: v for k, v in (waiting | {"outbox": queued[0][0]}).items() if v}

    def copies(self):
        """How many mails came, and how many different ones."""
        ids = [mail["Message-ID"] for mail in self.mailbox.mails]
        return len(ids), len(set(ids))


class Killer:
    """Central workers, one after the other, that die at a step; use it as a context."""

    def __init__(self, rig):
        self._rig = rig

    def __enter__(self):
        theirs, requests = os.pipe()
        answers, their_answers = os.pipe()
        log = self._rig.directory / "killed.log"
        self._zygote = self._rig.start(
            "zygote", _HOOK / "zygote.py", theirs, their_answers, log,
            keep_open=(theirs, their_answers), PYTHONPATH=str(_HOOK),
        )  # fmt: skip
        os.close(theirs)
        os.close(their_answers)
        self._requests, self._answers = os.fdopen(requests, "w"), os.fdopen(answers)
        return self

    def __exit__(self, *_):
        self._rig.stop(self._zygote)
        self._requests.close()
        self._answers.close()

    def kill_at(self, step, message, within_s=60):
        """Start a worker that dies at this step, send it a message, and wait until it is dead."""
        self._requests.write(json.dumps({"KILL_AT": step}) + "\n")
        self._requests.flush()
        self._rig.sender.send([message])
        readable, _, _ = select.select([self._answers], [], [], within_s)
        assert readable, f"nobody came to {step}"
        assert int(self._answers.readline()) == -signal.SIGKILL, step


@contextmanager
def central_rig(directory, template):
    with ExitStack() as stack:
        files = stack.enter_context(server_directory("monitor-faults-"))
        mailbox = stack.enter_context(Mailbox())
        postgres = start_postgres(template, files / "postgres", directory / "postgres.log")
        stack.callback(postgres.close)
        redis = start_redis(files / "redis", directory / "redis.log")
        stack.callback(redis.close)
        sender = Broker(redis.url)
        stack.callback(sender.client.close)
        rig = CentralRig(directory, postgres, redis, mailbox, sender)
        stack.callback(rig.close)
        yield rig


def steps_noted(file):
    """The names of the steps that a traced worker ran, in order, each once: see the hook.

    A step that begins with a deeper one is left out: nothing lies between the two, but where a line
    has several contexts: before the deeper one's exit another may have had its own.
    """
    by_root = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        step = json.loads(line)
        by_root.setdefault((step["way"][0], step["root"]), []).append(step)
    names = []
    for steps in by_root.values():
        names += [
            step["name"]
            for step, following in pairwise([*steps, {"way": []}])
            if step["several"] or not _is_below(following["way"], step["way"])
        ]
    return list(dict.fromkeys(names))


def _is_below(way, above):
    return len(way) > len(above) and way[: len(above)] == above
