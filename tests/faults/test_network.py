"""A region that has lost its own network says so, and turns no website down."""

import random
import socket
import threading
import time
from contextlib import contextmanager

from support.judge import Allowance
from support.metrics import read, value
from support.ports import free_ports
from support.system import eventually
from support.truth import BLIP_S, INTERVAL_S, Outage, Script

_WEBSITES = 300
_LOST_S = 10
_BACK_S = 32
_TIMEOUT_S = 15
_HIDDEN_S = INTERVAL_S + 10
"""An outage may have to wait so much longer to be found: one slot and perhaps its re-check lie in
the gap."""
_NEVER_DOWN = 3


def _script():
    """A fifth of the websites go down before the region loses its network, while it is lost, and
    when it is back; and some for a moment. Those that are down stay so."""
    chance = random.Random(67)
    outages = [Outage(w, chance.uniform(0, 38), None) for w in range(5, _WEBSITES, 5)]
    for website in range(11, _WEBSITES, 10):
        from_s = chance.uniform(0, 45)
        outages.append(Outage(website, from_s, from_s + BLIP_S))
    return Script(_WEBSITES, tuple(outages))


class Network:
    """The way out of a region: its reference server, and its websites."""

    def __init__(self):
        self.port = free_ports(1)
        self.lost = threading.Event()
        self._listener = None

    # The reference goes first and comes last: where it answers, the websites can be reached.

    def come_back(self):
        self.lost.clear()
        # Nobody accepts: that the connection stands is the answer.
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=1024)

    def go_away(self):
        self._listener.close()
        self.lost.set()

    def serve(self, sites):
        """What a website does, seen from here: one that is down cuts the line, as networks do."""

        async def behave(exchange):
            website = int((await exchange.request()).target[1:])
            script_s = time.time() - sites.begin_s
            if self.lost.is_set() and website % 2:
                await exchange.gone()  # no answer ever comes
            elif self.lost.is_set() or sites.script.down(website, script_s):
                exchange.reset()
            else:
                await sites.serve(exchange)

        return behave


@contextmanager
def _network():
    network = Network()
    network.come_back()
    try:
        yield network
    finally:
        network.go_away()


def _says(system, word):
    return lambda: system.api.get("/regions/europe").json()["network"] == word


def test_a_region_without_network_measures_nothing_and_turns_nothing_down(faulty):
    with _network() as network:
        settings = {"MONITOR_CONNECTIVITY_TARGETS": f"127.0.0.1:{network.port}"}
        with faulty(_script(), settings=settings) as system:
            system.sites.server.behaviour = network.serve(system.sites)
            # when both hosts of the region lose their network, and its websites do not know
            system.at(_LOST_S)
            network.go_away()
            # then the region says so
            eventually(_says(system, "lost"), within_s=_TIMEOUT_S)
            metrics = read(system.api.get("/metrics").text)
            assert value(metrics, "monitor_region_network_up", region="europe") == 0
            system.at(_BACK_S)
            assert system.processes.status(system.ids[_NEVER_DOWN]) == "up"
            # and once it is back, what is measured is what is; nothing is made up for the gap
            network.come_back()
            eventually(_says(system, "ok"), within_s=_TIMEOUT_S)
            due = _WEBSITES * (_BACK_S - _LOST_S + 5) // INTERVAL_S
            found = system.compare(Allowance(late_s=_HIDDEN_S, lost_ticks=due))
            print(found.numbers)  # noqa: T201 - what the fault did cost
            _assert_a_gap(system.record().ticks, system.sites.begin_s)


def _assert_a_gap(ticks, begin_s):
    """What was due while the network was away was not measured. Some of it is: a late check that
    began only when it was back."""
    gap = range(int(begin_s) + _LOST_S + 5, int(begin_s) + _BACK_S)
    measured = [tick for tick in ticks if tick.slot_s in gap]
    assert len(measured) < _WEBSITES * len(gap) / INTERVAL_S / 4, measured[:10]
