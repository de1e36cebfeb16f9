"""The actors: `dramatiq monitor.actors` runs them, `periodiq monitor.actors` schedules them.

With MONITOR_REGION a worker serves the checks of that region, without it the central queues.
"""

from __future__ import annotations

from monitor.actors.setup import set_up

broker = set_up()
