"""The running stack: supervises its processes, and stops all of them within five seconds."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from redis.asyncio import Redis

from monitor.domain.errors import MonitorError, Unavailable
from monitor.local import demo, process
from monitor.local.banner import BannerFacts, banner
from monitor.local.child import Child, is_set_within
from monitor.local.console import Console
from monitor.local.directory import DataDirectory
from monitor.local.http import LocalApi
from monitor.local.mailbox import mailbox
from monitor.local.postgres import EmbeddedPostgres
from monitor.local.processes import Command, Locations, commands, environment, stack_settings
from monitor.local.readiness import missing
from monitor.local.redis import EmbeddedRedis
from monitor.runtime.settings import Settings
from monitor.services.workers import presence
from monitor.storage.redis.client import client
from monitor.storage.redis.processes import Processes

_CHILDREN_END_WITHIN_S: Final = 4.0
_SERVERS_END_WITHIN_S: Final = 0.8
_SAME_SIGNAL_S: Final = 1.0
"""One Ctrl-C may arrive twice, once for us and once for our group, within this time."""
_POLL_READINESS_EVERY_S: Final = 0.1
_SAY_NOT_READY_EVERY_S: Final = 30.0
READY_WITHIN_S: Final = 180.0
"""A slow machine takes half a minute. What takes longer somebody has to mend."""


@dataclass(frozen=True, slots=True)
class Servers:
    """The embedded servers, already started."""

    postgres: EmbeddedPostgres
    redis: EmbeddedRedis


class Supervisor:
    """Runs the mailbox, the demo site and the product's processes on started servers.

    ``user_settings``: those that the user set, as text. ``descriptor``: inherited by every child.
    """

    def __init__(
        self,
        settings: Settings,
        user_settings: Mapping[str, str],
        directory: DataDirectory,
        console: Console,
        descriptor: int,
    ) -> None:
        self._settings = settings
        self._user_settings = user_settings
        self._directory = directory
        self._console = console
        self._descriptor = descriptor
        self._stopping = asyncio.Event()
        self._ready = asyncio.Event()
        self._hurry = asyncio.Event()
        self._signalled_at = 0.0
        self._failure: BaseException | None = None

    async def run(
        self, servers: Servers, key: str, *, with_demo: bool, in_the_clear: int = 0
    ) -> None:
        """Run until a stop signal, then stop everything.

        Raises MonitorError where it does not get ready: a process cannot start, or time is up.
        ``in_the_clear``: how many websites have secrets that are not encrypted.
        """
        self._listen_to_signals()
        async with AsyncExitStack() as stack:
            port = await stack.enter_async_context(mailbox(self._directory.mail, self._console))
            stores = self._stores(servers)
            locations = Locations(servers.postgres.url(), servers.redis.url, port)
            products = self._products(locations)
            access = {"MONITOR_URL": self._api(key).url, "MONITOR_API_KEY": key}
            settings = stack_settings(self._user_settings, locations, self._directory.path)
            stack.enter_context(self._directory.publish_settings(settings | access))
            redis = await stack.enter_async_context(client(locations.redis_url))
            await Processes(redis).forget_all()  # those of a stack that was killed
            store_tasks, product_tasks = self._supervise(stores), self._supervise(products)
            facts = BannerFacts(
                self._api(key).url, key, self._directory, self._settings, in_the_clear
            )
            welcome = self._task(self._welcome(stack, facts, redis, with_demo=with_demo))
            await self._stopping.wait()
            self._console.say("monitor", "stopping")
            welcome.cancel()
            await self._end(products, product_tasks, _CHILDREN_END_WITHIN_S)
            await self._end(stores, store_tasks, _SERVERS_END_WITHIN_S)
        if self._failure is not None:
            raise self._failure

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._on_signal)

    def _on_signal(self) -> None:
        """The first signal stops the stack, another one hurries it."""
        now = asyncio.get_running_loop().time()
        if not self._stopping.is_set():
            self._signalled_at = now
            self._stopping.set()
        elif now - self._signalled_at > _SAME_SIGNAL_S:
            self._hurry.set()

    def _stores(self, servers: Servers) -> list[Child]:
        postgres, redis = servers.postgres, servers.redis
        return [
            Child(
                "postgres", postgres.launch, log=postgres.log, console=self._console,
                stop_signal=signal.SIGINT, running=postgres.child,
            ),
            Child(
                "redis", redis.launch, log=redis.log, console=self._console, running=redis.child
            ),
        ]  # fmt: skip

    def _products(self, locations: Locations) -> list[Child]:
        env = environment(self._user_settings, locations, self._directory.path)
        return [
            Child(
                command.name,
                partial(self._start, command, env),
                log=self._directory.logs / f"{command.name}.log",
                console=self._console,
            )
            for command in commands()
        ]

    def _start(self, command: Command, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        return process.start(
            command.words,
            log=subprocess.PIPE,
            env={**env, **command.settings},
            cwd=self._directory.path,
            keep_open=(self._descriptor,),
        )

    def _supervise(self, children: Sequence[Child]) -> list[asyncio.Task[None]]:
        return [self._task(child.supervise(self._stopping, self._ready)) for child in children]

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        """A task that fails stops the stack, and its error is raised at the end."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = self._failure or error
            self._stopping.set()

    async def _welcome(
        self, stack: AsyncExitStack, facts: BannerFacts, redis: Redis, *, with_demo: bool
    ) -> None:
        api = self._api(facts.key)
        await self._until_ready(api, redis)
        self._ready.set()
        self._console.write(banner(facts))
        if with_demo:
            await self._show_demo(stack, api)
        elif self._directory.demo_port.exists() and (
            text := await asyncio.to_thread(demo.pause, api)
        ):
            self._console.say("demo", text)

    def _api(self, key: str) -> LocalApi:
        return LocalApi(self._settings.monitor_api_host, self._settings.monitor_api_port, key)

    async def _until_ready(self, api: LocalApi, redis: Redis) -> None:
        """Return when the first check could be made. Raises MonitorError after three minutes."""
        clock = asyncio.get_running_loop().time
        began = clock()
        say_at = began + _SAY_NOT_READY_EVERY_S
        while lacks := await self._missing(api, redis):
            if clock() > began + READY_WITHIN_S:
                raise MonitorError(
                    f"The stack did not get ready in {READY_WITHIN_S:.0f} s: {lacks}."
                )
            if clock() > say_at:
                say_at += _SAY_NOT_READY_EVERY_S
                self._console.say("monitor", f"not ready yet: {lacks}")
            # Its readiness can only be polled.
            await asyncio.sleep(_POLL_READINESS_EVERY_S)

    async def _missing(self, api: LocalApi, redis: Redis) -> str | None:
        ready = await asyncio.to_thread(api.request, "GET", "/readyz")
        try:
            processes = await presence.running(redis)
        except Unavailable as error:
            return f"{error}; logs are in {self._directory.logs}"
        return missing(ready, processes, self._directory.logs)

    async def _show_demo(self, stack: AsyncExitStack, api: LocalApi) -> None:
        served = demo.demo_site(self._console, self._directory.demo_port)
        site, url = await stack.enter_async_context(served)
        self._console.say("demo", await asyncio.to_thread(demo.watch, api, url))
        await site.run()

    async def _end(
        self, children: Sequence[Child], tasks: Sequence[asyncio.Task[None]], within_s: float
    ) -> None:
        """Signal each child once; kill the rest after ``within_s`` seconds or another signal."""
        for child in children:
            child.request_stop()
        ended = asyncio.create_task(_all_done(tasks))
        hurry = asyncio.create_task(is_set_within(self._hurry, within_s))
        await asyncio.wait({ended, hurry}, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        for child in children:
            child.kill()
        await ended


async def _all_done(tasks: Sequence[asyncio.Task[None]]) -> bool:
    """Wait for all; ``Supervisor._done`` keeps their errors."""
    return not (await asyncio.wait(tasks))[1]
