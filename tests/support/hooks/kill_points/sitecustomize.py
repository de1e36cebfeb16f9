"""On the PYTHONPATH of a central worker: notes its steps, or ends it without a word at one.

A step is a line with an await in it (of an ``async with`` its entry and its exit) that runs for one
of the roots below: between two of them nothing outside the process changes. The name of a step is
the way from the root to it, its line, for an exit a 2, and which time it is for this root. Of an
``async with`` of several contexts the entry is that of the first, the exit that of the last.

STEPS_FILE: each step is added to it, as JSON. KILL_AT: SIGKILL to the whole process group when
this step is about to run.
"""

import ast
import dis
import importlib.util
import json
import os
import signal
import threading
from collections import Counter
from functools import cache
from pathlib import Path

_PRODUCT = importlib.util.find_spec("monitor").submodule_search_locations[0] + os.sep
_ROOTS = {
    ("actors/central.py", "record_flips"),
    ("actors/central.py", "deliver"),
    ("services/notifications/outbox.py", "_start_page"),
    ("services/notifications/outbox.py", "_deliver"),
}
# Whether a connection has to be opened or looked at depends on what its pool happens to hold.
_CONNECTIONS = ("storage/postgres/connection.py", "storage/redis/client.py")
# The second one is Python 3.12's and 3.13's.
_RETURNS = {dis.opmap[n] for n in ("RETURN_VALUE", "RETURN_CONST") if n in dis.opmap}
_times = {}


@cache
def _steps_of(filename):
    """{number: (text, how often a step, whether of several contexts)} of the lines that wait."""
    text = Path(filename).read_text(encoding="utf-8")
    lines, found = text.splitlines(), {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Await, ast.AsyncWith, ast.AsyncFor)):
            times = 2 if isinstance(node, ast.AsyncWith) else 1
            several = len(getattr(node, "items", ())) > 1
            _, before, was = found.get(node.lineno, ("", 0, False))
            found[node.lineno] = lines[node.lineno - 1].strip(), max(times, before), several or was
    return found


def _way(frame):
    """The product's functions from a root down to this frame, and the root; None without one."""
    names = []
    while frame is not None:
        filename = frame.f_code.co_filename
        if filename.startswith(_PRODUCT):
            names.append(frame.f_code.co_name)
            if (filename.removeprefix(_PRODUCT), frame.f_code.co_name) in _ROOTS:
                return names[::-1], frame
        frame = frame.f_back
    return None


def _reached(frame, text, run, several=False):
    found = _way(frame)
    if found is None:
        return
    way, root = found
    name = f"{' > '.join(way)}: {text} ({run})"
    times = _times.setdefault(id(root), Counter())
    times[name] += 1
    name += f" #{times[name]}"
    if name == os.environ.get("KILL_AT"):
        os.killpg(os.getpgrp(), signal.SIGKILL)
    if steps_file := os.environ.get("STEPS_FILE"):
        step = {"name": name, "way": way, "root": id(root), "several": several}
        line = json.dumps(step) + "\n"
        with Path(steps_file).open("a", encoding="utf-8") as file:
            file.write(line)


def _tracer(steps):
    runs = {}

    def trace(frame, event, _):
        if event == "line" and frame.f_lineno in steps:
            run = runs[frame.f_lineno] = runs.get(frame.f_lineno, 0) + 1
            text, times, several = steps[frame.f_lineno]
            if run <= times:
                _reached(frame, text, run, several)
        elif event == "return" and frame.f_code.co_code[frame.f_lasti] in _RETURNS:
            # A root's own end: after it, its message is acknowledged.
            found = _way(frame)
            if found is not None and found[1] is frame:
                _reached(frame, "end", 1)
                del _times[id(frame)]
        return trace

    return trace


def _on_call(frame, _event, _argument):
    filename = frame.f_code.co_filename
    if frame.f_code.co_name.startswith("<"):  # a comprehension is part of its line
        return None
    if not (filename.startswith(_PRODUCT) and filename.endswith(".py")):  # no template either
        return None
    if filename.removeprefix(_PRODUCT) in _CONNECTIONS:
        return None
    # A coroutine is called again each time it goes on.
    return frame.f_trace or _tracer(_steps_of(filename))


threading.settrace(_on_call)
