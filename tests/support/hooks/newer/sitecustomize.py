"""On the PYTHONPATH of a process: makes it one of the next version, which sends as such.

Its messages are of version 2 and have a field more; it reads both versions.
"""

from monitor.domain import messages

messages.VERSION = 2
_kwargs = messages.Outgoing.kwargs


def _newer(self):
    arguments = _kwargs(self)
    arguments["payload"] |= {"v": 2, "hint": "a field of version 2"}
    return arguments


messages.Outgoing.kwargs = _newer
