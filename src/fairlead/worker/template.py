"""The template: a process with one thread that has imported the user's module, and forks for each task.

A fork starts in a millisecond or two with everything imported. That is sound only while the template has a
single thread and has loaded no library that does not survive a fork; a project that brings one is imported
by each process after its fork, ahead of time. Started as ``python -m fairlead.worker.template SOCKET ID``.
"""

from __future__ import annotations

import ctypes
import gc
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from fairlead.errors import FairleadError
from fairlead.packaging.arriving import open_project
from fairlead.packaging.loading import import_project
from fairlead.packaging.manifest import MANIFEST
from fairlead.packaging.package import unpack
from fairlead.packaging.project import Project, find_project
from fairlead.specs import steps as specs
from fairlead.store.backends import Backend, Folder
from fairlead.store.opening import open_backend
from fairlead.worker import guarding
from fairlead.worker.channel import Connection
from fairlead.worker.ending import leave, leaves_at_once
from fairlead.worker.failures import write_faults
from fairlead.worker.forking import why_not_forkable
from fairlead.worker.functions import Modules, function_of
from fairlead.worker.running import run_task, set_up_process
from fairlead.worker.tasks import (
    Exited,
    Fork,
    Forked,
    Given,
    Hello,
    Prepare,
    ProjectCode,
    Ready,
    Signal,
    Work,
    WorkerTask,
)
from fairlead.worker.usage import MAXRSS_BYTES, usage

_EVERY_TASK_USES = (
    "fairlead.worker.seeding",
    "fairlead.store.formats.plain",
    "fairlead.store.formats.pickles",
    "pickle",
)
"""Modules that are imported lazily elsewhere: a process that is forked after their import need not import them."""

_LOOK_S = 0.5
"""Seconds between two looks for what tasks have left behind, at least."""

_decoder = msgspec.msgpack.Decoder(WorkerTask)
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main(socket_path: str, identity: str) -> None:
    """Serve a driver until it is gone."""
    Template(socket_path, int(identity)).serve()


class Template:
    """Forks processes for a driver, and tells how they end."""

    def __init__(self, socket_path: str, identity: int) -> None:
        self._path = socket_path
        self._driver = os.getppid()
        self._connection = Connection.to(socket_path)
        self._children: dict[int, int] = {}
        self._code: ProjectCode | None = None
        self._imported = False
        self._look_at = 0.0
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._mark = f"{socket_path}#{identity}."
        self._guard = guarding.Guard(self._mark, self._connection.close)
        self._connection.send(Hello(role="template", id=identity, pid=os.getpid()))

    def serve(self) -> None:
        """Handle messages and the ends of children."""
        for name in _EVERY_TASK_USES:
            import_module(name)
        _subreaper()
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        poll = select.poll()
        poll.register(self._connection.socket, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == self._wake_read:
                    _drain(self._wake_read)
                    self._reap()
                elif not self._handle_arrived():
                    self._kill_all()
                    self._clear_up()
                    return

    def _handle_arrived(self) -> bool:
        message = self._connection.receive()
        while message is not None:
            match message:
                case Prepare():
                    self._prepare(message)
                case Fork():
                    self._fork(message)
                case Signal(id=identity, number=number):
                    self._signal(identity, number)
                case _:
                    raise AssertionError(message)
            if not self._connection.has_message():
                return True
            message = self._connection.receive()
        return False

    def _prepare(self, message: Prepare) -> None:
        """Import the project, and say whether this process may be forked with it."""
        self._code = message.code
        reason = ""
        if not message.bare:
            try:
                load_project(message.code)
                reason = why_not_forkable()
            except FairleadError as error:  # each fork fails likewise, and its attempt's record says so
                reason = str(error)
        self._imported = not message.bare and not reason
        gc.collect()
        gc.freeze()  # the children's collector leaves these objects, and so their pages, alone
        self._connection.send(Ready(imported=self._imported, reason=reason))

    def _fork(self, message: Fork) -> None:
        pid = os.fork()
        if pid == 0:
            self._become_child(message)
        self._children[pid] = message.id
        self._guard.note_begin(pid)
        self._connection.send(Forked(id=message.id, pid=pid))

    def _become_child(self, message: Fork) -> NoReturn:
        code = 70
        try:
            parent = os.getppid()
            os.setsid()
            die_with_parent(parent)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._connection.close()
            os.close(self._wake_read)
            os.close(self._wake_write)
            self._guard.leave()
            os.environ[guarding.VARIABLE] = f"{self._mark}{message.id}"
            code = Child(self._path, message.id, self._code).run(message.task)
        except BaseException:  # the edge of the process
            import traceback

            traceback.print_exc()
        finally:
            leave(code)

    def _signal(self, identity: int, number: int) -> None:
        for pid, child in self._children.items():
            if child == identity:
                _signal_group(pid, number)

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            identity = self._children.pop(pid, None)
            if identity is None:  # an orphan of a task, adopted
                continue
            _signal_group(pid, signal.SIGKILL)  # what the task started and left behind
            self._guard.note_end(pid)
            self._connection.send(
                Exited(
                    id=identity,
                    status=status,
                    peak_memory_bytes=usage.ru_maxrss * MAXRSS_BYTES,
                    cpu_s=usage.ru_utime + usage.ru_stime,
                )
            )
        self._end_orphans()

    def _end_orphans(self) -> None:
        """Kill what tasks that have ended left behind in sessions of its own; seldom, for it takes a while to look."""
        now = time.monotonic()
        if now < self._look_at:
            return
        alive = {f"{self._mark}{identity}" for identity in self._children.values()}
        for each in self._adopted():
            if each.mark not in alive if each.mark else not alive:
                guarding.kill(each.pid)
        self._look_at = time.monotonic() + max(_LOOK_S, 100 * (time.monotonic() - now))

    def _adopted(self) -> list[guarding.Process]:
        """Return the children that this process did not start."""
        own = {self._guard.pid, *self._children}
        return [each for each in guarding.processes() if each.parent == os.getpid() and each.pid not in own]

    def _clear_up(self) -> None:
        """Remove the folder of the channel where the driver was killed; one that lives does it by itself."""
        if os.getppid() != self._driver:
            import shutil  # lazy: shutil, 8 ms; only after a driver's death

            shutil.rmtree(os.path.dirname(self._path), ignore_errors=True)

    def _kill_all(self) -> None:
        """End everything that tasks have started, the guard last."""
        for pid in self._children:
            _signal_group(pid, signal.SIGKILL)
        for each in self._adopted():
            guarding.kill(each.pid)
        guarding.end_left(self._mark, self._children)
        self._guard.dismiss()


class Child:
    """A forked process: runs one task and ends."""

    def __init__(self, socket_path: str, identity: int, code: ProjectCode | None) -> None:
        self._path = socket_path
        self._id = identity
        self._code = code
        self._connection: Connection | None = None

    def run(self, encoded: bytes | None) -> int:
        """Run the task given, or import the project and wait for one; returns the exit code."""
        if encoded is None:
            if self._code is not None:
                load_project(self._code)
                self._rehearse(self._code)
            message = self.connection.receive()
            if not isinstance(message, Work):
                return 0
            encoded = message.task
        task = _decoder.decode(encoded)
        set_up_process(task)
        write_faults(all_threads=False)
        modules = load_project(task.code)
        if isinstance(task.step, specs.FunctionStep):
            _limit_threads(task.threads)
        function = function_of(task, modules, lambda: self.connection)
        backend = open_backend(task.store)
        done = run_task(task, function, backend, self.send, modules.root, sharing_checkpoints(backend, task))
        if self._connection is not None and leaves_at_once():
            self.send(_finished(self._id, done))
        return int(not done)

    def _rehearse(self, code: ProjectCode) -> None:
        """Run a task that does nothing, beside the store.

        What a process touches for the first time after a fork costs a page fault each, several hundred for a
        task, and so most of its time. A process that waits for a task has the time for them.
        """
        folder = os.path.join(os.path.dirname(self._path), "rehearsal")
        step = specs.FunctionStep(name="rehearsal", function=f"{__name__}:rehearsal", cache="off")
        task = WorkerTask(
            id=0, run="rehearsal", step=step, index=0, number=1, code=code, inputs={"x": Given(0)},
            store=folder, host=folder, log=os.devnull, checkpoints=folder,
        )  # fmt: skip
        task = _decoder.decode(msgspec.msgpack.encode(task))
        set_up_process(task)
        run_task(task, rehearsal, open_backend(folder), lambda _: None, folder)

    def send(self, message: Any) -> None:
        """Tell the driver something; nothing where it is gone."""
        try:
            self.connection.send(message)
        except OSError:
            os.kill(os.getpid(), signal.SIGKILL)  # the driver is gone: so is the attempt

    @property
    def connection(self) -> Connection:
        """The connection to the driver, made when it is first needed."""
        if self._connection is None:
            self._connection = Connection.to(self._path)
            self._connection.send(Hello(role="task", id=self._id, pid=os.getpid()))
        return self._connection


def rehearsal(x: int) -> int:
    """Do nothing."""
    return x


def _finished(identity: int, done: bool) -> Exited:
    used = usage()
    return Exited(id=identity, status=0 if done else 1 << 8, peak_memory_bytes=used.peak_memory_bytes, cpu_s=used.cpu_s)


_loaded: dict[ProjectCode, Modules] = {}


def load_project(code: ProjectCode) -> Modules:
    """Import a project's module once in this process, from its recorded sources where there are any."""
    if code not in _loaded:
        project, contents = _recorded(code)
        import_project(project, contents)
        _loaded[code] = Modules(project)
    return _loaded[code]


def sharing_checkpoints(backend: Backend, task: WorkerTask) -> Callable[[Path], None] | None:
    """Bring the newest checkpoint from a store of several machines, and return what puts those to come there."""
    if isinstance(backend, Folder):  # where they lie in place
        return None
    from fairlead.worker.checkpoints import fetch_checkpoint, keeping  # lazy: shutil, 3 ms; for remote stores only

    fetch_checkpoint(backend, task)
    return keeping(backend, task)


def _recorded(code: ProjectCode) -> tuple[Project, dict[str, bytes] | None]:
    """Return a project, and its recorded sources where they do not lie in a folder of their own.

    What was packed to travel is a whole project, and may be of another machine: it is unpacked beside its package.
    """
    if code.package is None:
        return find_project(Path(code.file)), None
    data = Path(code.package).read_bytes()
    contents = unpack(data)
    if MANIFEST in contents:
        return open_project(data, Path(f"{code.package}.tree")), None
    return find_project(Path(code.file)), contents


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies; where it can't, the channel's end does."""
    if sys.platform == "linux":
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def _prctl(option: int, argument: int) -> None:
    _libc().prctl(option, argument, 0, 0, 0)


def _libc() -> ctypes.CDLL:
    global _library
    if _library is None:
        _library = ctypes.CDLL(None)
    return _library


_library: ctypes.CDLL | None = None


def _subreaper() -> None:
    """Adopt the orphans of tasks, so that none outlives the template."""
    if sys.platform == "linux":
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _signal_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 4096):
            pass
    except BlockingIOError:
        pass


def _limit_threads(threads: int) -> None:
    """Let numeric libraries that were loaded with one thread use as many as the step has cores."""
    if threads > 1 and "numpy" in sys.modules:
        import threadpoolctl  # lazy: threadpoolctl, 12 ms

        threadpoolctl.threadpool_limits(threads)


if __name__ == "__main__":
    main(*sys.argv[1:])
