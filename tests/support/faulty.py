"""The whole product over servers of its own that may be broken, and websites with a script.

with faulty_system(directory, template, scripted(7)) as system:
    system.at(15)
    system.redis.pause()
    ...
    system.compare(Allowance(late_s=60))
"""

import asyncio
import datetime as dt
import time
from contextlib import ExitStack, contextmanager
from uuid import UUID

import pytest

from monitor.domain.ids import ring_position
from monitor.domain.ring import POSITIONS
from monitor.storage.postgres.pool import make_pool
from support import breakable
from support.influx import find_influxd
from support.judge import Incident, Record, SeenTick, SentMail, judge
from support.mailbox import text_of
from support.places import server_directory
from support.system import PATIENCE_S, SET_UP_S, eventually, running_system
from support.tick_store import tick_store
from support.truth import INTERVAL_S, Truth
from support.truth_sites import scripted_sites

_BUCKET = "website_ticks"
_BATCH_SIZE = 38
"""Eight batches of 300 websites in each interval: see ``truth.SPAN_S``."""
_QUEUES = ("incidents", "notifications")
_SETTLED_WITHIN_S = 90
"""A lease of an outbox row that nobody delivers ends after a minute."""
_EARLY_ENOUGH_S = 25


class FaultySystem:
    """The running system, the servers it stands on and the websites it watches.

    ``processes``: api, scheduler-1 and -2, central-1 and -2, REGION-1, ... (``support.system``).
    ``postgres``, ``redis``, ``influx`` (None where it is not installed): ``support.breakable``.
    ``mailbox``: ``support.mailbox``. ``sites``: ``support.truth_sites``.
    ``refused``: called for the ticks that a store has refused for good, as the case knows them.
    ``true_s``: from the time that the system says to what it was, where its clock is stepped.
    """

    def __init__(self, processes, servers, sites, regions):
        self.processes = processes
        self.postgres, self.redis, self.influx = servers
        self.mailbox = processes.mailbox
        self.api = processes.api
        self.sites = sites
        self.script = sites.script
        self.regions = tuple(sorted(set(regions)))
        self.ids = []
        self._judged_from_s = 0.0
        self.true_s = lambda at_s: at_s
        self.refused = list

    def add_websites(self, *, with_a_minute=False):
        """Add the script's websites and wait until each is known to be up; begins the script.

        ``with_a_minute``: as a minute begins. Until then a website that was added is checked by
        messages of its own, and where it is slow each of them takes a thread.
        """
        if not with_a_minute and time.time() % 60 > _EARLY_ENOUGH_S:
            time.sleep(60 - time.time() % 60)
        for website in range(self.script.websites):
            recipients = self.script.recipients(website)
            own = {} if website % 10 else {"alert_emails": list(recipients)}
            self.ids.append(self.processes.add(self.sites.url_of(website), **own))
        eventually(self._all_up, within_s=SET_UP_S, every_s=1)
        # Batches of the minute in which websites are added were cut for those there were.
        self._judged_from_s = (time.time() // 60 + 1) * 60
        if with_a_minute:
            time.sleep(max(self._judged_from_s - time.time(), 0))
        self.sites.begin_s = time.time()

    def _all_up(self):
        found = self.processes.statuses()
        return len(found) == self.script.websites and all(
            region["verdict"] == "up" for item in found.values() for region in item["regions"]
        )

    @property
    def number_of(self):
        return {website_id: number for number, website_id in enumerate(self.ids)}

    def at(self, script_s):
        """Wait until so many seconds of the script have passed."""
        time.sleep(max(self.sites.begin_s + script_s - time.time(), 0))

    def compare(self, allow=None):
        """Play the script to its end and hold what the system says against it.

        Returns the judgement: its numbers are what the fault did cost.
        """
        self.at(self.script.end_s)
        deadline = time.monotonic() + _SETTLED_WITHIN_S
        while (under_way := self._under_way()) and time.monotonic() < deadline:
            time.sleep(1)  # the system tells nothing but what it is asked
        assert not under_way, under_way
        while (found := judge(self.truth(), self.record(), allow)).complaints:
            if time.monotonic() > deadline:
                pytest.fail("\n".join([*found.complaints[:20], str(found.numbers)]))
            time.sleep(5)
        return found

    def truth(self):
        due = {n: ring_position(UUID(i)) * INTERVAL_S / POSITIONS for n, i in enumerate(self.ids)}
        begin_s = self.sites.begin_s
        until_s = begin_s + self.script.end_s
        return Truth(self.script, begin_s, self._judged_from_s, until_s, self.regions, due)

    def _under_way(self):
        """What has been begun and may yet change the record: {what: how much}."""
        with self.redis.client() as redis:
            waiting = {
                f"messages on {name}": redis.hlen(f"dramatiq:{name}.msgs")
                for queue in _QUEUES
                for name in (queue, f"{queue}.DQ")
            } | {"chunks of kept ticks": redis.llen("monitor:ticks")}
        queued = self.postgres.rows("SELECT count(*) FROM notifications WHERE state = 'queued'")
        return {k: v for k, v in (waiting | {"rows in the outbox": queued[0][0]}).items() if v}

    # What the system says

    def record(self):
        ticks = [*self._ticks(), *self.refused()]
        return Record(self._incidents(), self._mails(), ticks, self._statuses())

    def _incidents(self):
        found = []
        for number, website_id in enumerate(self.ids):
            answer = self.api.get(f"/monitor/{website_id}/downtime", timeout=PATIENCE_S)
            assert answer.status_code == 200, answer.text
            found += [
                Incident(number, self._unix(i["started_at"]), self._unix(i["resolved_at"]))
                for i in answer.json()["items"]
            ]
        return found

    def _unix(self, text):
        return None if text is None else self.true_s(dt.datetime.fromisoformat(text).timestamp())

    def _mails(self):
        number_of, found = self.number_of, []
        for mail in list(self.mailbox.mails):
            (website_id,) = (
                line.partition(":")[2].strip()
                for line in text_of(mail).splitlines()
                if line.startswith("Website id:")
            )
            event = "opened" if mail["Subject"].startswith("Down:") else "resolved"
            found.append(SentMail(number_of[website_id], event, mail["To"], mail["Message-ID"]))
        return found

    def _statuses(self):
        number_of = self.number_of
        found = self.processes.statuses()
        return {number_of[i]: item["status"] for i, item in found.items() if i in number_of}

    def _ticks(self):
        return asyncio.run(self._read_ticks())

    async def _read_ticks(self):
        since_s = int(self.sites.begin_s) - INTERVAL_S
        until_s = int(time.time()) + 2 * 3600
        async with make_pool(self.postgres.url, max_size=2) as pool:
            influx = (self.influx and self.influx.url, _BUCKET)
            store = tick_store(influx=influx, pool=pool)
            try:
                return [
                    SeenTick(number, tick.region, self.true_s(tick.slot_s), tick.up)
                    for number, website_id in enumerate(self.ids)
                    for tick in await store.ticks(UUID(website_id), since_s, until_s)
                ]
            finally:
                await store.close()


@contextmanager
def faulty_system(
    directory,
    template,
    script,
    *,
    regions=("europe", "europe"),
    settings=None,
    of=None,
    with_a_minute=False,
):
    """A system whose script has just begun.

    ``directory``: where its logs are left. ``template``: see ``breakable.postgres_template``.
    ``regions``: the region of each region worker; with one name twice they are two hosts of it.
    ``settings``: for every process. ``of``: called with the servers, tells the settings of single
    processes: {"asia-1": {"REDIS_URL": ...}}. ``with_a_minute``: see ``add_websites``.
    """
    workers = {
        f"{region}-{regions[: n + 1].count(region)}": region for n, region in enumerate(regions)
    }
    with ExitStack() as stack:
        servers = _servers(stack, directory, template)
        postgres, redis, influx = servers
        sites = stack.enter_context(scripted_sites(script))
        running = running_system(
            directory,
            postgres.url,
            redis.url,
            influx and (influx.url, _BUCKET),
            workers=workers,
            settings={"MONITOR_BATCH_SIZE": str(_BATCH_SIZE)} | (settings or {}),
            of=of(*servers) if of else None,
        )
        system = FaultySystem(stack.enter_context(running), servers, sites, regions)
        system.add_websites(with_a_minute=with_a_minute)
        yield system


def _servers(stack, directory, template):
    files = stack.enter_context(server_directory("monitor-faults-"))
    postgres = breakable.start_postgres(template, files / "postgres", directory / "postgres.log")
    stack.callback(postgres.close)
    redis = breakable.start_redis(files / "redis", directory / "redis.log")
    stack.callback(redis.close)
    if find_influxd() is None:
        return postgres, redis, None
    influx = breakable.start_influx(files / "influx")
    stack.callback(influx.close)
    return postgres, redis, influx
