"""The processes of a run on this machine: templates that fork, and the channel to everything forked."""

from __future__ import annotations

import os
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from fairlead.errors import FairleadError
from fairlead.worker.channel import Framing, driver_framing, frame
from fairlead.worker.tasks import (
    Exited,
    Fork,
    Forked,
    FromWorker,
    Hello,
    Prepare,
    ProjectCode,
    Ready,
    Signal,
    Work,
    WorkerTask,
)

_ONE_THREAD = {
    **{name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")},
    # pandas 3 imports Arrow, whose allocator would start a thread of its own, and the template could not fork
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}

_END_S = 10.0
"""Seconds that a template has to end everything that its tasks have started."""


class _Peer:
    """One connection: to a template or to a task."""

    __slots__ = ("framing", "id", "role", "socket", "unsent")

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.framing: Framing[FromWorker] = driver_framing()
        self.role = ""
        self.id = -1
        self.unsent = bytearray()


class Processes:
    """Starts processes for tasks, and reports what they say and how they end.

    One template imports the project and forks for each task. Where a project can't be forked, a second
    template imports nothing, and its forks import the project while they wait.
    """

    def __init__(self, code: ProjectCode) -> None:
        self._code = code
        self.folder = tempfile.mkdtemp(prefix="fairlead-")
        self._path = os.path.join(self.folder, "channel")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self._path)
        self._listener.listen(512)
        self._listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._template: _Peer | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._former: list[subprocess.Popen[bytes]] = []
        self._serial = 0
        self._template_serial = 0
        self._ready: Ready | None = None
        self._reason = ""
        self._alive: set[int] = set()
        self._leaving: set[int] = set()
        self._tasks: dict[int, _Peer] = {}
        self._waiting: deque[int] = deque()  # forked ahead, without a task
        self._assigned: dict[int, bytes] = {}  # their tasks, until they are connected
        self._events: deque[FromWorker] = deque()
        self.pids: dict[int, int] = {}
        self._spawn()

    # Starting ----------------------------------------------------------------------------------

    @property
    def forks_ready_code(self) -> bool:
        """Whether a fork starts with the project imported."""
        return self._ready is None or self._ready.imported

    @property
    def why_not(self) -> str:
        """Why forks do not start with the project imported; empty where they do."""
        return "" if self._ready is None else self._ready.reason

    def launch(self, make: Callable[[int], WorkerTask]) -> int:
        """Start a process for a task; `make` is given the number that the task is to carry."""
        if not self._waiting and self.forks_ready_code:
            identity = self._next()
            self._fork(Fork(id=identity, task=msgspec.msgpack.encode(make(identity))))
            return identity
        identity = self._waiting.popleft() if self._waiting else self._fork_ahead()
        task = msgspec.msgpack.encode(make(identity))
        if identity in self._tasks:
            self.send(identity, Work(task=task))
        else:
            self._assigned[identity] = task
        return identity

    def keep_waiting(self, count: int) -> None:
        """Have so many processes wait for tasks: forked, and with the project imported, while others still work."""
        if self._ready is not None and self._template is not None:
            while len(self._waiting) < count:
                self._waiting.append(self._fork_ahead())

    def signal(self, identity: int, number: int) -> None:
        """Send a signal to a task's process and to all that it started."""
        if identity in self._alive and self._template is not None:
            self._send(self._template, Signal(id=identity, number=number))

    def send(self, identity: int, message: Any) -> None:
        """Send a message to a task; nothing happens where it is gone."""
        peer = self._tasks.get(identity)
        if peer is not None:
            self._send(peer, message)

    def _spawn(self) -> None:
        """Start a template as a fresh interpreter: this process may have threads, which no fork survives."""
        self._template_serial += 1
        if self._process is not None:
            self._former.append(self._process)
        log = open(os.path.join(self.folder, f"template-{self._template_serial}.log"), "wb")  # noqa: SIM115  # given to the child
        with log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fairlead.worker.template", self._path, str(self._template_serial)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **_ONE_THREAD, "PYTHONHASHSEED": "0", "PYTHONPATH": _own_path()},
            )

    @property
    def ready(self) -> bool:
        """Whether a task can be launched: the template has said whether it can be forked.

        Raises:
            FairleadError: The template could not start.
        """
        if self._ready is not None:
            return True
        if self._process is not None and self._process.poll() is not None:
            raise self._no_template()
        return False

    def wake(self) -> None:
        """Have `wait` return at once; may be called by a signal's handler."""
        with suppress(BlockingIOError):
            os.write(self._wake_write, b"x")

    def _no_template(self) -> FairleadError:
        return FairleadError(
            "the worker template could not start", why=self._template_log(), next="report this, with the lines above"
        )

    def _template_log(self) -> str:
        try:
            with open(os.path.join(self.folder, f"template-{self._template_serial}.log"), errors="replace") as file:
                return " | ".join(file.read().splitlines()[-5:])
        except OSError:
            return ""

    def _fork_ahead(self) -> int:
        identity = self._next()
        self._fork(Fork(id=identity))
        return identity

    def _fork(self, message: Fork) -> None:
        assert self._template is not None
        self._alive.add(message.id)
        self._send(self._template, message)

    def _next(self) -> int:
        self._serial += 1
        return self._serial

    # Receiving ---------------------------------------------------------------------------------

    def wait(self, timeout_s: float) -> list[FromWorker]:
        """Return what has arrived, after waiting for it for a while.

        A process whose template died is reported as `Exited` with the status 9: the kernel killed it.
        """
        if not self._events:
            self._events.extend(self._receive(timeout_s))
        found = list(self._events)
        self._events.clear()
        return found

    def _receive(self, timeout_s: float) -> list[FromWorker]:
        found: list[FromWorker] = []
        for key, mask in self._selector.select(timeout_s):
            if key.fileobj is self._listener:
                self._accept()
                continue
            if key.fileobj == self._wake_read:
                os.read(self._wake_read, 4096)
                continue
            peer: _Peer = key.data
            if mask & selectors.EVENT_WRITE:
                self._flush(peer)
            if mask & selectors.EVENT_READ:
                found.extend(self._read(peer))
        return found

    def _accept(self) -> None:
        try:
            connected, _ = self._listener.accept()
        except BlockingIOError:
            return
        connected.setblocking(False)
        self._selector.register(connected, selectors.EVENT_READ, _Peer(connected))

    def _read(self, peer: _Peer) -> list[FromWorker]:
        try:
            data = peer.socket.recv(1 << 18)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            return self._lost(peer)
        found: list[FromWorker] = []
        for message in peer.framing.feed(data):
            match message:
                case Hello():
                    self._greet(peer, message)
                case Ready():
                    self._take_ready(message)
                case Forked(id=identity, pid=pid):
                    self.pids[identity] = pid
                case Exited(id=identity) if peer.role == "task":
                    self._leaving.add(identity)  # its template tells of its end once more
                    found.append(message)
                case Exited(id=identity):
                    self._alive.discard(identity)
                    self._tasks.pop(identity, None)
                    if identity in self._leaving:
                        self._leaving.discard(identity)
                        continue
                    if identity in self._waiting:
                        self._waiting.remove(identity)
                    else:
                        found.append(message)
                case _:
                    found.append(message)
        return found

    def _greet(self, peer: _Peer, hello: Hello) -> None:
        peer.role, peer.id = hello.role, hello.id
        if hello.role == "template":
            if hello.id != self._template_serial:
                return
            self._template = peer
            self._send(peer, Prepare(code=self._code, bare=bool(self._reason)))
            return
        self._tasks[hello.id] = peer
        task = self._assigned.pop(hello.id, None)
        if task is not None:
            self._send(peer, Work(task=task))

    def _take_ready(self, ready: Ready) -> None:
        if ready.imported or self._reason:
            self._ready = Ready(imported=ready.imported, reason=self._reason)
            return
        # This template has the project in it and can't be forked: one without it takes its place.
        self._reason = ready.reason
        self._retire()
        self._spawn()

    def _retire(self) -> None:
        if self._template is not None:
            self._forget(self._template)
            self._template = None

    def _lost(self, peer: _Peer) -> list[FromWorker]:
        self._forget(peer)
        if peer is not self._template:
            if peer.role == "task":
                self._tasks.pop(peer.id, None)
            return []
        if self._ready is None:  # another one would die alike
            raise self._no_template()
        # The template died, the kernel killed what it had forked, and its guard what that had started.
        self._template = None
        self._ready = None
        dead = sorted(self._alive)
        self._alive.clear()
        self._tasks.clear()
        lost = [
            Exited(id=each, status=9, peak_memory_bytes=0, cpu_s=0.0, template_died=True)
            for each in dead
            if each not in self._waiting
        ]
        self._waiting.clear()
        self._spawn()
        return list(lost)

    def _forget(self, peer: _Peer) -> None:
        self._selector.unregister(peer.socket)
        peer.socket.close()

    # Sending -----------------------------------------------------------------------------------

    def _send(self, peer: _Peer, message: Any) -> None:
        peer.unsent += frame(message)
        self._flush(peer)

    def _flush(self, peer: _Peer) -> None:
        try:
            while peer.unsent:
                sent = peer.socket.send(peer.unsent)
                del peer.unsent[:sent]
        except BlockingIOError:
            pass
        except OSError:  # the peer is gone; reading from it says so
            peer.unsent.clear()
        try:
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.unsent else 0)
            self._selector.modify(peer.socket, wanted, peer)
        except (KeyError, ValueError):
            pass

    # The end -----------------------------------------------------------------------------------

    def close(self) -> None:
        """End the template, and with it every process that is left."""
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)
        if self._process is not None:
            if self._ready is None:  # it is busy importing, and has nothing to end but itself
                self._process.kill()
            for process in (*self._former, self._process):
                _await_end(process)
        shutil.rmtree(self.folder, ignore_errors=True)


def _await_end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _own_path() -> str:
    """Return a PYTHONPATH by which a child finds this very package, wherever it was imported from."""
    import fairlead

    root = os.path.dirname(os.path.dirname(os.path.abspath(fairlead.__file__)))
    return os.pathsep.join(dict.fromkeys(filter(None, [*os.environ.get("PYTHONPATH", "").split(os.pathsep), root])))
