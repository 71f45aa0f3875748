"""The program that starts workers by forking: it imports slow libraries once, so each worker starts
quickly.

Lines of JSON over the socket that is its standard input:

    {"modules": [name, …]}    with a file descriptor, the socket of the worker: fork one with them
    {"kill": pid}
    {"pid": pid, "modules": [name, …]}    the answer to the first: all that it has; or {"error": …}
    {"ended": pid, "status": …}    as waitpid says it

When the other side is gone, all of its process group ends at once.
"""

import ctypes
import gc
import json
import os
import resource
import selectors
import signal
import socket
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

from controller.suggestion.wire import OUT_OF_MEMORY
from controller.suggestion.worker import serve

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with(parent: int) -> None:
    """End this process when `parent` ends; on Linux at once, even in the middle of a
    computation."""
    if _LIBC:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we could ask to die with it
        os._exit(1)


class Forkserver:
    """One thread with one loop: it handles requests, and workers that end."""

    def __init__(self, control: socket.socket, memory: int) -> None:
        self._control = control
        self._memory = memory
        self._modules: set[str] = set()
        self._workers: set[int] = set()
        self._lines, self._descriptors = b"", list[int]()
        self._wake, self._alarm = socket.socketpair()
        self._selector = selectors.DefaultSelector()

    def run(self) -> NoReturn:
        """Handle requests until the controller closes the socket."""
        for end in (self._wake, self._alarm):
            end.setblocking(False)
        signal.set_wakeup_fd(self._alarm.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(self._control, selectors.EVENT_READ, self._receive)
        self._selector.register(self._wake, selectors.EVENT_READ, self._reap)
        while True:
            for key, _ in self._selector.select():
                key.data()

    def _receive(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, 2**16, 64)
        except ConnectionError:
            data, descriptors = b"", []
        if not data:
            os.killpg(0, signal.SIGKILL)
        self._descriptors += descriptors
        *lines, self._lines = (self._lines + data).split(b"\n")
        for line in lines:
            self._execute(json.loads(line))

    def _execute(self, request: dict[str, Any]) -> None:
        if "kill" in request:
            if (
                request["kill"] in self._workers
            ):  # else it has ended, and its pid may be another process's
                os.kill(request["kill"], signal.SIGKILL)
            return
        self._import(set(request["modules"]) - self._modules)
        with socket.socket(fileno=self._descriptors.pop(0)) as connection:
            parent = os.getpid()
            try:
                pid = os.fork()
            except OSError as error:
                self._send({"error": f"no process could be started: {error.strerror}"})
                return
            if pid == 0:
                self._become_worker(connection, parent)
        self._workers.add(pid)
        self._send({"pid": pid, "modules": sorted(self._modules)})

    def _import(self, modules: set[str]) -> None:
        """Import what can be imported; a worker that needs a missing module reports that itself."""
        for name in sorted(modules):
            with suppress(Exception):
                import_module(name)
            self._modules.add(name)
        gc.collect()
        gc.freeze()  # a collection in a worker would touch, and so copy, every page

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            self._wake.recv(2**16)
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] in self._workers:  # a library may have child processes of its own
                    self._workers.discard(ended[0])
                    self._send({"ended": ended[0], "status": ended[1]})

    def _send(self, message: dict[str, Any]) -> None:
        with suppress(ConnectionError):  # the next read notices that the controller is gone
            self._control.sendall(json.dumps(message).encode() + b"\n")

    def _become_worker(self, connection: socket.socket, parent: int) -> NoReturn:
        """Run as a worker, in the child process; nothing of the parent's stays open."""
        status = 1
        try:
            die_with(parent)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._selector.close()
            with open(os.devnull) as nothing:
                os.dup2(nothing.fileno(), self._control.fileno())
            self._wake.close()
            self._alarm.close()
            _limit(self._memory)
            serve(connection, self._memory)
            status = 0
        except MemoryError:
            status = OUT_OF_MEMORY
        except ConnectionError:
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)


def _limit(memory: int) -> None:
    """Limit the writable memory of this process to so many bytes, and write no core dumps."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


def main(parent: str, memory: str) -> NoReturn:
    """`parent`: the process id of the controller; `memory`: bytes for each worker."""
    die_with(int(parent))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Forkserver(socket.socket(fileno=0), int(memory)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
