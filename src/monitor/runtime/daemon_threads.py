"""Threads that hold nobody up: for short-lived commands that must end in time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class DaemonThreads(ThreadPoolExecutor):
    """A thread for each call. The process ends without waiting for those that still run.

    An event loop asks the system for addresses on threads of its executor (getaddrinfo(3)). Where
    no DNS server answers, each such call takes half a minute, and nothing can interrupt it.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        Thread(target=_call, args=(future, fn, args, kwargs), daemon=True).start()
        return future


def _call(future: Future[Any], fn: Callable[..., Any], args: Any, kwargs: Any) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(fn(*args, **kwargs))
    except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
        future.set_exception(error)
