"""What a step's body can ask and tell: ``fairlead.log``, ``fairlead.progress``, ``fairlead.checkpoint``."""

from __future__ import annotations

import math
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import msgspec

from fairlead.errors import UsageError, nearest
from fairlead.specs.steps import Step
from fairlead.store.records import Number, Summary, as_number, encode
from fairlead.store.spool import store_error
from fairlead.worker.tasks import Logged, Progressed

SHOWN = "FAIRLEAD_SHOW_METRICS"
"""The variable that is set where what a step logs is to be printed too."""


class LoggedLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of an attempt's metrics file."""

    time: float
    values: dict[str, Number]
    at: float | None = None


class Attempt:
    """The attempt that this process is.

    Args:
        task_id: Names it on the channel.
        checkpoints: The folder for its checkpoints.
        metrics: The file for what it logs; each line is written at once, so that a killed process loses none.
        send: Sends a message to the driver.
        saved: Is told of each checkpoint that is complete, where the folder does not outlive the attempt.
        volumes: Where the step's volumes are, by name.
    """

    def __init__(
        self,
        task_id: int,
        checkpoints: Path,
        metrics: Path,
        send: Any,
        saved: Callable[[Path], None] | None = None,
        volumes: Mapping[str, Path] = MappingProxyType({}),
    ) -> None:
        self.id = task_id
        self.volumes = volumes
        self.checkpoints = checkpoints
        self.saved = saved
        self.summaries: dict[str, Summary] = {}
        self._metrics = metrics
        self._file: BinaryIO | None = None
        self._send = send
        self._lock = threading.Lock()

    def log(self, values: dict[str, float], at: float | None) -> None:
        """Keep values, and tell them to whoever watches."""
        now = time.time()
        with self._lock:
            self._write(LoggedLine(now, {name: as_number(value) for name, value in values.items()}, at))
            for name, value in values.items():
                self.summaries[name] = extended(self.summaries.get(name), value)
            show(values)
            self._send(Logged(id=self.id, values=values, at=at, time=now))

    def close(self) -> None:
        """Close what it has open."""
        if self._file is not None:
            self._file.close()

    def _write(self, line: LoggedLine) -> None:
        try:
            if self._file is None:
                self._metrics.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._metrics.open("ab", buffering=0)
            self._file.write(encode(line) + b"\n")
        except OSError as error:
            raise store_error("keep what the step logged", self._metrics, error) from error

    def progress(self, done: float, total: float | None) -> None:
        """Tell how far the step is."""
        with self._lock:
            self._send(Progressed(id=self.id, done=done, total=total))


def show(values: Mapping[str, float]) -> None:
    """Print values, a line each, where a component reads them from what a process writes: ``score=0.93``."""
    if SHOWN in os.environ:
        print(*(f"{name}={value!r}" for name, value in values.items()), sep="\n", flush=True)


def summarized(lines: Iterable[LoggedLine]) -> dict[str, Summary]:
    """Return the summary of each name in lines of a metrics file."""
    found: dict[str, Summary] = {}
    for line in lines:
        for name, value in line.values.items():
            found[name] = extended(found.get(name), float(value))
    return found


def extended(summary: Summary | None, value: float) -> Summary:
    """Return a summary with one more value."""
    number = as_number(value)
    if summary is None:
        return Summary(number, number, number, 1)
    least, most = min(summary.min, value), max(summary.max, value)
    return Summary(number, as_number(least), as_number(most), summary.count + 1)


_current: Attempt | None = None


def set_current(attempt: Attempt | None) -> None:
    """Make an attempt the one that this process is."""
    global _current
    _current = attempt


def log(*, at: float | None = None, **values: float) -> None:
    """Log metrics of the step that is running: ``fairlead.log(loss=0.3, at=epoch)``.

    They are stored with the attempt, shown while it runs, and a sweep's objective is the last one of its name.
    Outside a run nothing happens, so that a step can be called as a plain function.

    Args:
        at: Where on the axis the values belong: the epoch, the number of examples seen, …
        **values: The values by name; anything that ``float()`` takes.

    Raises:
        UsageError: A value is no number.
    """
    try:
        numbers = {name: float(value) for name, value in values.items()}
    except (TypeError, ValueError) as error:
        raise UsageError(f"fairlead.log() takes numbers: {error}", next="log float(value)") from error
    if _current is not None and numbers:
        _current.log(numbers, None if at is None else float(at))


def progress(done: float, total: float | None = None) -> None:
    """Say how far the step is: ``fairlead.progress(3, 10)``.

    Args:
        done: How much is done, in any unit.
        total: How much there is in all, where that is known.
    """
    if _current is not None and math.isfinite(done):
        _current.progress(float(done), None if total is None else float(total))


class Checkpoints(type(Path())):  # type: ignore[misc]  # the class of this system's paths
    """A folder that outlives the attempts of a step.

    It is an ordinary path. A checkpoint written with `save` is complete or not there at all, whenever the
    process dies, and `latest` gives the newest complete one to the next attempt.
    """

    @contextmanager
    def save(self, at: int) -> Iterator[Path]:
        """Write a checkpoint: the folder this gives becomes the checkpoint `at` when the block ends without error.

        Args:
            at: The epoch or step the checkpoint is of; `latest` gives the one with the highest number.
        """
        unfinished = Path(self) / f".unfinished-{os.getpid()}-{at}"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        try:
            yield unfinished
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        _sync_tree(unfinished)
        target = Path(self) / f"{at:012}"
        if target.exists():
            shutil.rmtree(target)
        os.replace(unfinished, target)
        if _current is not None and _current.saved is not None:
            _current.saved(target)

    def latest(self) -> Path | None:
        """Return the folder of the newest complete checkpoint, or None where there is none yet."""
        complete = sorted(each for each in Path(self).iterdir() if each.is_dir() and each.name.isdigit())
        return complete[-1] if complete else None


def _sync_tree(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def checkpoint() -> Checkpoints:
    """Return the folder for this step's checkpoints; it outlives attempts and resumed runs.

    Outside a run it is a temporary folder.

    Example:
        ::

            folder = fairlead.checkpoint()
            start = load(folder.latest())
            for epoch in range(start, epochs):
                train(model)
                with folder.save(at=epoch) as unfinished:
                    model.save(unfinished / "weights.npz")
    """
    if _current is None:
        import tempfile  # lazy: tempfile, 9 ms; outside a run only

        return Checkpoints(tempfile.mkdtemp(prefix="fairlead-checkpoint-"))
    _current.checkpoints.mkdir(parents=True, exist_ok=True)
    return Checkpoints(_current.checkpoints)


def volume(name: str) -> Path:
    """Return the folder of one of this step's volumes, wherever the step runs.

    In a pod it is the path at which the volume is mounted. On this machine nothing is mounted: there it is a folder
    that was made for the volume, or the one that stands for its claim.

    Args:
        name: The volume's name.

    Raises:
        UsageError: The step has no volume of this name, or no step is running.

    Example:
        ::

            @step(volumes=[Volume(name="images", path="/images", claim="images", read_only=True)])
            def count() -> int:
                return len(list(fairlead.volume("images").iterdir()))
    """
    if _current is None:
        raise UsageError(
            f"there is no volume {name!r} here",
            why="no step of a run is running",
            next="run it: fairlead run FILE:STEP",
        )
    if name not in _current.volumes:
        raise UsageError(f"the step has no volume {name!r}", next=nearest(name, list(_current.volumes)))
    return _current.volumes[name]


def placed(step: Step, folders: Mapping[str, str]) -> dict[str, Path]:
    """Return where a step's volumes are, by name.

    Args:
        step: The step.
        folders: What stands for those that are not mounted at their paths.
    """
    return {each.name: Path(folders.get(each.name, each.path)) for each in step.volumes}
