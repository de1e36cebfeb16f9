"""A region that has lost its own network says so, and turns no website down."""

import socket
import threading
import time
from contextlib import contextmanager

from support.judge import Allowance
from support.metrics import read, value
from support.ports import free_ports
from support.system import eventually
from support.truth import INTERVAL_S, scripted

_LOST_S = 35
_BACK_S = 60
_BLIND_S = _BACK_S - _LOST_S
_TIMEOUT_S = 15
_HIDDEN_S = INTERVAL_S + 10
"""An outage may have to wait so much longer to be found: one slot and perhaps its re-check lie in
the gap."""
_NEVER_DOWN = 3


class Network:
    """The way out of a region: its reference server, and its websites."""

    def __init__(self):
        self.port = free_ports(1)
        self.lost = threading.Event()
        self._listener = None

    def come_back(self):
        # Nobody accepts: that the connection stands is the answer.
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=1024)
        self.lost.clear()

    def go_away(self):
        self.lost.set()
        self._listener.close()

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
        settings = {"MONITOR_REFERENCES": f"127.0.0.1:{network.port}"}
        with faulty(scripted(67, blind_s=_HIDDEN_S), settings=settings) as system:
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
            due = system.script.websites * (_BLIND_S + 5) // INTERVAL_S
            system.compare(Allowance(late_s=_HIDDEN_S, lost_ticks=due))
            began_s = system.sites.begin_s
            gap = range(int(began_s) + _LOST_S + 5, int(began_s) + _BACK_S)
            assert sum(tick.slot_s in gap for tick in system.record().ticks) < due / 4
