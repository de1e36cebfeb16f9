"""Central workers made by forking: their imports, a second of CPU, are paid once for all.

python zygote.py REQUESTS ANSWERS LOG: two open descriptors and a file. For each line of JSON that
comes, settings to add to the environment, a worker runs to its end; then its exit status goes back,
negative where a signal ended it.
"""

import json
import os
import signal
import sys

import dramatiq.cli
import periodiq  # noqa: F401 - this and what follows are what a worker needs, but for its actors
import uvloop  # noqa: F401

import monitor.channels.registry
import monitor.metrics.prometheus
import monitor.probes.registry
import monitor.services.incidents.sweep
import monitor.services.notifications.outbox
import monitor.storage.timeseries.open  # noqa: F401

_running = None


def main():
    requests, answers, log = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    signal.signal(signal.SIGTERM, _end)
    with os.fdopen(requests) as lines:
        for line in lines:
            os.write(answers, f"{_run(json.loads(line), log)}\n".encode())


def _run(settings, log):
    global _running  # noqa: PLW0603 - for the handler of a signal
    _running = os.fork()
    if _running == 0:
        _become_worker(settings, log)
    _, status = os.waitpid(_running, 0)
    _running = None
    return os.waitstatus_to_exitcode(status)


def _become_worker(settings, log):
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.environ.update(settings)
    sys.argv = ["dramatiq", "monitor.actors", "--skip-logging", "-p1", "-t4"]
    sys.exit(dramatiq.cli.main())


def _end(*_):
    if _running:
        os.killpg(_running, signal.SIGKILL)
    os._exit(0)


if __name__ == "__main__":
    main()
