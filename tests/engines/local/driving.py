"""Drivers of runs under test: in this process, or as processes that can be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

import fairlead
from fairlead.cli.main import call
from fairlead.errors import NotFoundError
from fairlead.runs.reporting import read_report
from fairlead.specs.reports import RunReport
from fairlead.store.catalog import latest_by_run
from fairlead.store.opened import Store
from fairlead.testing.engines import Ended

SOURCE = str(Path(fairlead.__file__).parent.parent)
PATIENCE_S = 60.0
MARK = "FAULTS_MARK"
"""A variable in the environment of a driver and all that comes of it, by which they are found."""


class LocalLaunch:
    """Runs flows by the command line, in this process where nobody has to stop them."""

    def __init__(
        self,
        home: Path,
        capsys: pytest.CaptureFixture[str],
        store: Store | None = None,
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._patience_s = patience_s
        self.store = store or Store(str(home), home / "host")
        self._capsys = capsys
        self._home = home
        self._begun: dict[str, Driver] = {}

    def __enter__(self) -> LocalLaunch:
        return self

    def __exit__(self, *_: object) -> None:
        for driver in self._begun.values():
            driver.end()

    def __call__(
        self, file: Path, flow: str, parameters: Mapping[str, Any], *, use_cache: bool = False, inline: bool = False
    ) -> Ended:
        options = [*([] if use_cache else ["--no-cache"]), *(["--inline"] if inline else [])]
        return self._call("run", f"{file}:{flow}", *flags(parameters), *options)

    def begin(self, file: Path, flow: str, parameters: Mapping[str, Any], *, until: str) -> str:
        driver = Driver(
            self._home, "run", f"{file}:{flow}", *flags(parameters), "--no-cache", "-o", "json", store=self.store
        )
        self._begun[driver.run] = driver
        wait_for(
            lambda: any(each.status == "running" for each in steps_of(self.store, driver.run, until)),
            patience_s=self._patience_s,
        )
        return driver.run

    def cancel(self, run: str) -> Ended:
        call(["cancel", run])
        return self._begun[run].ended(self._patience_s)

    def resume(self, run: str, *, with_current_code: bool = False) -> Ended:
        return self._call("resume", run, *(["--with-current-code"] if with_current_code else []))

    def rerun(self, run: str) -> Ended:
        return self._call("rerun", run, "--no-cache")

    def _call(self, *arguments: str) -> Ended:
        self._capsys.readouterr()
        code = call([*arguments, "-o", "json"])
        printed = self._capsys.readouterr()
        assert printed.out, printed.err
        return Ended(msgspec.json.decode(printed.out, type=RunReport), code)


class Driver:
    """``python -m fairlead`` as a process of its own session."""

    def __init__(self, home: Path, *arguments: str, mark: str = "", store: Store | None = None, **options: Any) -> None:
        self._store = store or Store(str(home), home / "host")
        self._known = set(latest_by_run(self._store.backend))
        self.mark = mark or f"{os.getpid()}-{time.monotonic_ns()}"
        environment = {
            **os.environ, "PYTHONPATH": SOURCE, "FAIRLEAD_HOME": str(home), MARK: self.mark, **options.pop("env", {}),
        }  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fairlead", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=environment,
            **options,
        )
        self._run = ""

    @property
    def run(self) -> str:
        """The run's id, as soon as it is recorded."""
        if not self._run:
            self._run = wait_for(lambda: next(iter(set(latest_by_run(self._store.backend)) - self._known), ""))
        return self._run

    def interrupt(self) -> None:
        """Do what Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """Kill it, as if power had gone for it alone."""
        self.process.kill()
        self.end()

    def output(self, patience_s: float = PATIENCE_S) -> tuple[int, bytes, bytes]:
        """Wait for its end; returns the exit code and both outputs."""
        out, err = self.process.communicate(timeout=patience_s)
        return self.process.returncode, out, err

    def ended(self, patience_s: float = PATIENCE_S) -> Ended:
        """Wait for its end, and read the document it printed."""
        code, out, err = self.output(patience_s)
        assert out, err.decode()
        return Ended(msgspec.json.decode(out, type=RunReport), code)

    def end(self) -> None:
        """Make sure that it has ended, whatever it does."""
        if self.process.returncode is None:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def flags(parameters: Mapping[str, Any]) -> Iterator[str]:
    """Write parameters as flags."""
    for name, value in parameters.items():
        yield f"--{name}"
        yield value if isinstance(value, str) else json.dumps(value)


def wait_for(condition: Callable[[], Any], *, patience_s: float = PATIENCE_S) -> Any:
    """Wait until a condition holds, and return what it gave."""
    until = time.monotonic() + patience_s
    while not (found := condition()):
        assert time.monotonic() < until, "what was waited for has not come"
        time.sleep(0.005)
    return found


def steps_of(store: Store, run: str, name: str) -> list[Any]:
    """Return the reports of a step's instances, none where the run is not recorded yet."""
    with suppress(NotFoundError):
        return [each for each in read_report(store.backend, run).steps if each.name == name]
    return []


def marked(mark: str) -> dict[int, str]:
    """Return the living processes that came of a driver, with their command lines."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with suppress(OSError):
                if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                    state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
                    if state not in "ZX":
                        found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def wait_for_no_process(mark: str, *, patience_s: float = 15.0) -> None:
    """Wait until nothing is left of a driver."""
    until = time.monotonic() + patience_s
    while left := marked(mark):
        assert time.monotonic() < until, f"left over: {left}"
        time.sleep(0.01)


@contextmanager
def driver(home: Path, *arguments: str, **options: Any) -> Iterator[Driver]:
    """Start a driver, and see to it that nothing is left of it."""
    started = Driver(home, *arguments, **options)
    try:
        yield started
    finally:
        started.end()
        for pid in marked(started.mark):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class Bench:
    """A home, the file of flows, and the file in which steps note that they are executed."""

    def __init__(self, folder: Path, file: Path, launch: LocalLaunch) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.file = file
        self.launch = launch
        self._executions = folder / "executions"

    @property
    def store(self) -> Store:
        """The store of the home."""
        return self.launch.store

    def run(self, flow: str, **parameters: Any) -> Ended:
        """Run a flow in this process."""
        return self.launch(self.file, flow, parameters)

    def resume(self, run: str) -> Ended:
        """Go on with a run in this process."""
        return self.launch.resume(run)

    def drive(self, flow: str, *options: str, **parameters: Any) -> Any:
        """Start a driver that can be killed."""
        return driver(self.home, "run", f"{self.file}:{flow}", *flags(parameters), "--no-cache", "-o", "json", *options)

    def go(self) -> None:
        """Let steps that wait for it go on."""
        (self.folder / "go").touch()

    def executed(self) -> list[str]:
        """Return what was noted by steps, in order."""
        try:
            return self._executions.read_text().splitlines()
        except FileNotFoundError:
            return []

    def wait_for_executed(self, count: int, started: Driver | None = None) -> None:
        """Wait until so many lines were noted, or the driver has ended."""
        wait_for(lambda: len(self.executed()) >= count or (started is not None and started.process.poll() is not None))


def template_of(started: Driver) -> int:
    """Return the process id of a driver's template."""

    def look() -> int:
        for pid in marked(started.mark):
            with suppress(OSError):
                if int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) == started.process.pid:
                    return pid
        return 0

    found: int = wait_for(look)
    return found
