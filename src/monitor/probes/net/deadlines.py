"""Deadlines of checks: one shared timer for all deadlines within the same 50 ms.

``asyncio.timeout`` would do, but makes a timer and asks for the running loop on every check, a
system call each. Thousands of checks are in flight at once, and nearly all of them end long before
their deadline.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any

GRAIN_S = 0.05
"""How late a deadline may expire in a process that is not stalled."""

STALL_S = 0.5
"""A loop that is merely busy is never this late: the process was stopped, the machine was paused,
or other processes had its CPU."""

MAX_EXTENSION_S = 5.0
"""How much of a stall is given back to the tasks. After a longer one their connections are gone
anyway."""

MAX_OVERRUN_S = 2 * MAX_EXTENSION_S + STALL_S
"""No task is still running this long after its deadline, unless the process stalled for longer
than ``MAX_EXTENSION_S``."""


class Group:
    """The tasks that share one timer.

    ``expired``: the deadline has passed. ``extended``: the timer fired so late that the tasks got
    more time. ``unreliable``: it was as late again, so nobody knows whether the tasks would have
    made their deadline.
    """

    __slots__ = ("expired", "extended", "tasks", "unreliable")

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()
        self.expired = False
        self.extended = False
        self.unreliable = False


class Deadlines:
    """Cancels tasks at their deadlines. One per event loop, created inside it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._groups: dict[int, Group] = {}

    def watch(self, deadline_s: float, task: asyncio.Task[Any]) -> Group:
        """Cancel this task at ``deadline_s`` on the loop's clock, unless it has been removed from
        ``Group.tasks`` by then. A task that is cancelled asks ``timed_out`` whether this was why.
        """
        number = math.ceil(deadline_s / GRAIN_S)
        group = self._groups.get(number)
        if group is None:
            group = self._groups[number] = Group()
            self._loop.call_at(number * GRAIN_S, self._on_timer, number, number * GRAIN_S)
        group.tasks.add(task)
        return group

    def move(self, group: Group, deadline_s: float, task: asyncio.Task[Any]) -> Group:
        """Give a watched task another deadline, unless its group has expired already."""
        if group.expired:
            return group
        group.tasks.discard(task)
        return self.watch(deadline_s, task)

    def expire_all(self) -> None:
        """Cancel all tasks now, as if every deadline had passed."""
        for number in list(self._groups):
            self._expire(number)

    def _on_timer(self, number: int, due_s: float) -> None:
        """Expire the group or, once after a stall, extend it by the time that the stall took."""
        group, now_s = self._groups.get(number), self._loop.time()
        late_s = now_s - due_s
        if group is not None and late_s > STALL_S:
            if not group.extended:
                self._extend(number, group, now_s + min(late_s, MAX_EXTENSION_S))
                return
            group.unreliable = True
        self._expire(number)

    def _extend(self, number: int, group: Group, until_s: float) -> None:
        group.extended = True
        self._loop.call_at(until_s, self._on_timer, number, until_s)

    def _expire(self, number: int) -> None:
        group = self._groups.pop(number, None)
        if group is None:
            return  # expired early by expire_all
        group.expired = True
        for task in group.tasks:
            task.cancel()


def timed_out(group: Group, task: asyncio.Task[Any]) -> bool:
    """Whether only its deadline cancelled this task; if so, the cancellation is undone."""
    return group.expired and task.uncancel() == 0
