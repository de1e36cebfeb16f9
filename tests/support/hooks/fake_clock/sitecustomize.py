"""On the PYTHONPATH of a process under libfaketime, which answers time.sleep with EINVAL.

Python sleeps until an instant of the steady clock; libfaketime 0.9.10, told to leave that clock
alone, mistakes the instant for one of its own. A select without files is the same sleep.
"""

import select
import time


def _sleep(seconds):
    select.select([], [], [], seconds)


time.sleep = _sleep
