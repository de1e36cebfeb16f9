"""A TCP proxy that breaks connections, or lets them hang, after so many bytes of what is sent."""

import contextlib
import select
import socket
import threading

_BLOCK = 4096


class CuttingProxy:
    """Passes connections on to a port. ``cuts``: of the first connection, the next, ... how many
    bytes go through before it is cut; the connections after those are left whole.

    ``answer_cut``: every connection is cut after so many bytes of what comes back.
    With ``hang`` it is not cut but nothing goes on until the caller hangs up; ``hanging`` is set.
    With ``deaf`` nothing more is taken meanwhile: the caller is left with what it has to send.
    """

    def __init__(self, port, cuts, *, answer_cut=None, hang=False, deaf=False):
        self._target, self._cuts, self._hang = port, list(cuts), hang
        self._answer_cut, self._deaf = answer_cut, deaf
        self.hanging = threading.Event()
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self):
        self._threads[0].start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(30)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self.connections += 1
                left = self._cuts.pop(0) if self._cuts else None
                far = socket.create_connection(("127.0.0.1", self._target))
                self._run(self._back, far, near)
                self._run(self._forth, near, far, left)

    def _run(self, target, *args):
        thread = threading.Thread(target=target, args=args)
        self._threads.append(thread)
        thread.start()

    def _forth(self, near, far, left):
        with contextlib.suppress(OSError):
            while data := near.recv(_BLOCK):
                far.sendall(data if left is None else data[:left])
                if left is not None:
                    left -= len(data)
                    if left <= 0:
                        self._wait_if_told(near)
                        break
        for end in (near, far):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        far.close()

    def _wait_if_told(self, near):
        if not self._hang:
            return
        self.hanging.set()
        if self._deaf:
            gone = select.poll()
            gone.register(near, select.POLLRDHUP)
            gone.poll()
        while near.recv(_BLOCK):
            pass

    def _back(self, far, near):
        come = 0
        with contextlib.suppress(OSError):
            while data := far.recv(_BLOCK):
                near.sendall(data)
                come += len(data)
                if self._answer_cut is not None and come >= self._answer_cut:
                    far.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            near.shutdown(socket.SHUT_RDWR)
        near.close()
