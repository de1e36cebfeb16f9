"""The deadlines of checks: one timer for all that end at about the same moment.

``asyncio.timeout`` would do, but makes a timer and asks for the running loop three times a check,
which is a system call each. Thousands of checks are under way at once, and nearly all of them end
long before their deadline.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any

GRAIN_S = 0.05
"""A deadline strikes this much late at the most, in a process that does not stand still."""

STOOD_STILL_S = 0.5
"""So late no loop is that is merely busy: the process was stopped, or the machine, or others had
its CPU."""

GIVEN_BACK_S = 5.0
"""Of the time for which a process stood still, at most: what waits for longer is not there any
more, a connection above all."""

LATEST_S = 2 * GIVEN_BACK_S + STOOD_STILL_S
"""After its deadline no task is still under way, but in a process that stood still for longer than
is given back."""


class Group:
    """The tasks whose deadline strikes with one timer.

    ``struck``: it has. ``put_off``: it was so late that it is to strike once more. ``misjudged``:
    it was as late again, and nobody can say what its tasks would have done in time.
    """

    __slots__ = ("misjudged", "put_off", "struck", "tasks")

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()
        self.struck = False
        self.put_off = False
        self.misjudged = False


class Deadlines:
    """Cancels tasks at their deadlines. One per event loop; made inside it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._groups: dict[int, Group] = {}

    def watch(self, deadline_s: float, task: asyncio.Task[Any]) -> Group:
        """Cancel this task at ``deadline_s`` on the loop's clock, unless ``Group.tasks`` has lost
        it by then. Whoever is cancelled asks ``timed_out`` whether it was for that.
        """
        number = math.ceil(deadline_s / GRAIN_S)
        group = self._groups.get(number)
        if group is None:
            group = self._groups[number] = Group()
            self._loop.call_at(number * GRAIN_S, self._due, number, number * GRAIN_S)
        group.tasks.add(task)
        return group

    def strike_all(self) -> None:
        """Cancel all tasks now, as if the deadline of each had come."""
        for number in list(self._groups):
            self._strike(number)

    def _due(self, number: int, due_s: float) -> None:
        """Strike; or, where the process stood still, give back once what that took of the time."""
        group, now_s = self._groups.get(number), self._loop.time()
        late_s = now_s - due_s
        if group is not None and late_s > STOOD_STILL_S:
            if not group.put_off:
                group.put_off, again_s = True, now_s + min(late_s, GIVEN_BACK_S)
                self._loop.call_at(again_s, self._due, number, again_s)
                return
            group.misjudged = True
        self._strike(number)

    def _strike(self, number: int) -> None:
        group = self._groups.pop(number, None)
        if group is None:
            return  # struck before its time
        group.struck = True
        for task in group.tasks:
            task.cancel()


def timed_out(group: Group, task: asyncio.Task[Any]) -> bool:
    """Whether a cancellation of this task is its deadline's and nobody else's; takes it back."""
    return group.struck and task.uncancel() == 0
