"""Going through a recorded step again, on this machine: its code and inputs in a folder, where a command runs.

The run's records and its store are read only. A folder in which the code was changed is kept.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from fairlead.errors import DamagedError, NotFoundError, UsageError, nearest
from fairlead.packaging.manifest import MANIFEST, describe
from fairlead.packaging.package import Member, pack, read_members
from fairlead.packaging.project import find_project
from fairlead.runs.finding import Target
from fairlead.runs.home import home
from fairlead.runs.keyparts import RunKeys
from fairlead.runs.travelling import packed_project
from fairlead.specs.graphs import Node
from fairlead.specs.runtimes import RankRuntime
from fairlead.specs.steps import DriverStep, FunctionStep, Step, SweepStep
from fairlead.store.layout import object_key
from fairlead.store.opened import Store
from fairlead.store.progress import Instance
from fairlead.store.records import Code
from fairlead.targets.training.members import MASTER_PORT
from fairlead.worker.debugging.workplace import Workplace
from fairlead.worker.pods.children import starting
from fairlead.worker.ranks import ranks_on
from fairlead.worker.tasks import ProjectCode, Rank, WorkerTask

_SHOWN_MAX = 8


class Recorded(NamedTuple):
    """One attempt of a step, as it is recorded.

    Attributes:
        title: What the step is called: ``fit/0``.
        task: What its process was told; its code is the package's digest.
        package: The code package, in the form in which one travels.
        said: How the attempt ended, in a few words.
        python: The version of Python that the run had, as far as the minor one.
        inputs: What each parameter received, in a few words.
        notes: What will be otherwise than it was.
    """

    title: str
    task: WorkerTask
    package: bytes
    said: str
    python: str
    inputs: dict[str, str]
    notes: tuple[str, ...]


def recorded(store: Store, target: Target, attempt: int | None = None) -> Recorded:
    """Find what an attempt of a step was given.

    Args:
        store: The store that has the run.
        target: The step; of several instances the one that failed, where none is named.
        attempt: The number of the attempt; the last one where it is not given.

    Raises:
        NotFoundError: The run has no such step, instance or attempt.
        UsageError: It is no function that can be run alone, or it never had inputs.
        DamagedError: Its code package is missing.
    """
    keys = RunKeys(store, target.run)
    instance = _instance(keys, target)
    title = f"{instance.name}/{instance.index}"
    _refuse_what_is_no_function(instance.step, f"{target.run}/{title}")
    number = _attempt(instance, attempt, f"{target.run}/{title}")
    inputs = keys.inputs(instance)
    if inputs is None:
        reason = f": {instance.reason}" if instance.reason else ""
        raise UsageError(
            f"{target.run}/{title} has no inputs yet",
            why=f"it is {instance.status}{reason}",
            next=f"see what it waits for: fairlead get {target.run}",
        )
    node = keys.progress.node_of(instance)
    digest, package, notes = _package(store, keys.spec.code, target.run)
    task = _task(keys, instance, node, number)
    task = msgspec.structs.replace(task, inputs=inputs, store=store.url, code=ProjectCode(file="", package=digest))
    if isinstance(instance.step.runtime, RankRuntime) and instance.step.runtime.world_size > 1:
        size = instance.step.runtime.world_size
        notes = (*notes, f"of its {size} ranks there is one, alone: WORLD_SIZE is 1")
    shown = {name: keys.shown(given) for name, given in inputs.items()}
    return Recorded(title, task, package, _said(instance, number), keys.spec.python, shown, notes)


def differences_here(found: Recorded) -> Iterator[str]:
    """Yield what of this machine is otherwise than where the step ran."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if found.python and found.python != here:
        yield f"the run had Python {found.python}, this is {here}"
    lacking = [each.variable for each in found.task.step.environment.secrets if each.variable not in os.environ]
    if lacking:
        yield f"secrets of the step are not set here: {', '.join(lacking)}"


@contextmanager
def opened_here(store: Store, found: Recorded, folder: Path | None) -> Iterator[Workplace]:
    """Make a step's folder on this machine; at the end it is removed, unless it was named or its code was changed.

    Args:
        store: The store of the run.
        found: What the step was given.
        folder: A folder for it, new or from before; None for one of its own.

    Raises:
        UsageError: The folder has other things in it.
        DamagedError: An input is missing, or is not what was written.
    """
    place = Workplace((folder or _new_folder(found)).absolute())
    try:
        place.furnish(found.task, found.package, store.backend, store.host)
        _bring_checkpoint(store, found.task, place)
        yield place
    finally:
        if folder is None and not (place.package.exists() and any(place.edits())):
            shutil.rmtree(place.folder, ignore_errors=True)


def enter(place: Workplace, command: Sequence[str]) -> int:
    """Run a command in a step's folder, a shell where none is given; returns its exit code.

    Ctrl-C is the command's.
    """
    before = signal.signal(signal.SIGINT, lambda *_: None)  # what is started has the system's own handler
    try:
        words = [*starting("fairlead.worker.debugging.entering"), str(place.folder), *command]
        code = subprocess.run(words, check=False).returncode
        return code if code >= 0 else 128 - code
    finally:
        signal.signal(signal.SIGINT, before)


def _instance(keys: RunKeys, target: Target) -> Instance:
    """Return the instance that is meant."""
    if target.step is None:
        names = [each.name for each in keys.progress.instances.values() if each.status == "failed"]
        name = names[0] if names else "STEP"
        raise UsageError("one step is debugged at a time", next=f"name it: fairlead debug {target.run}/{name}")
    if target.rank is not None:
        raise UsageError(
            "a rank is not debugged by itself",
            why="a step with ranks is gone through as one rank, alone",
            next=f"fairlead debug {target.run}/{target.step}/{target.index}",
        )
    found = keys.named(target.step)
    if not found:
        known = {each.name for each in keys.progress.instances.values()}
        raise NotFoundError(f"run {target.run} has no step {target.step!r}", next=nearest(target.step, known))
    if target.index is not None:
        for each in found:
            if each.index == target.index:
                return each
        raise NotFoundError(
            f"step {target.step} of run {target.run} has no index {target.index}", why=f"its last is {found[-1].index}"
        )
    failed = [each for each in found if each.status == "failed"]
    for candidates in (found, failed):
        if len(candidates) == 1:
            return candidates[0]
    listed = ", ".join(str(each.index) for each in failed[:_SHOWN_MAX]) + (", …" if len(failed) > _SHOWN_MAX else "")
    raise UsageError(
        f"step {target.step} has {len(found)} instances",
        why=f"{len(failed)} of them failed: {listed}" if failed else "none of them failed",
        next=f"name one: fairlead debug {target.run}/{target.step}/{(failed or found)[0].index}",
    )


def _refuse_what_is_no_function(step: Step, place: str) -> None:
    if isinstance(step, FunctionStep):
        return
    run = place.partition("/")[0]
    what, advice = _KINDS.get(type(step), ("a container, which has no Python function of yours", f"fairlead get {run}"))
    raise UsageError(f"{place} can't be debugged", why=f"it is {what}", next=advice.format(run=run))


_SEE = "see its steps, and debug one of them: fairlead get {run}"
_KINDS: dict[type[Step], tuple[str, str]] = {
    DriverStep: ("a dynamic flow, whose body calls steps", _SEE),
    SweepStep: ("a sweep, whose trials are steps", _SEE),
}


def _attempt(instance: Instance, wanted: int | None, place: str) -> int:
    known = sorted({*instance.attempts, *([instance.running[0]] if instance.running else [])})
    if wanted is None:
        return known[-1] if known else 1
    if wanted not in known:
        made = f"attempts that were made: {', '.join(map(str, known))}" if known else "no attempt was made"
        run = place.partition("/")[0]
        raise NotFoundError(f"{place} has no attempt {wanted}", why=made, next=f"fairlead get {run}")
    return wanted


def _said(instance: Instance, number: int) -> str:
    record = instance.attempts.get(number)
    if record is None:
        return "found in the cache" if instance.cached else instance.status
    first = record.error.message.splitlines()[:1] if record.error else []
    why = f": {': '.join([record.error.type, *first])}" if record.error else ""
    return f"attempt {number} {record.status}{why}"


def _task(keys: RunKeys, instance: Instance, node: Node | None, number: int) -> WorkerTask:
    """Return what a process is told that does an attempt again, but for its inputs and its code."""
    step = instance.step
    return WorkerTask(
        id=0,
        run=keys.run,
        step=msgspec.structs.replace(step, name=instance.name),
        index=instance.index,
        number=number,
        code=ProjectCode(file=""),
        inputs={},
        exports=node.exports if node else (),
        split=node.split if node else (),
        store="",
        host="",
        log=None,
        checkpoints="",
        threads=max(1, step.resources.cpu_millis // 1000),
        variables=dict(step.environment.variables),
        rank=_alone(step),
    )


def _alone(step: Step) -> Rank | None:
    """Return the place of a rank that has no others."""
    if not isinstance(step.runtime, RankRuntime):
        return None
    runtime = msgspec.structs.replace(step.runtime, nodes=1, processes_per_node=1)
    return ranks_on(runtime, [0], "127.0.0.1", MASTER_PORT, (f"127.0.0.1:{MASTER_PORT + 1}",))[0]


def _package(store: Store, code: Code | None, run: str) -> tuple[str, bytes, tuple[str, ...]]:
    """Return the digest of a run's code package, the code as a package that can be unpacked anywhere, and notes.

    That of a run on this machine holds the modules that its flow's file reaches. What else there is in the project,
    data beside the code for instance, is taken as it is now.
    """
    if code is None or code.package is None:
        raise UsageError(f"run {run} has no code of its own", next=f"fairlead get {run}")
    try:
        data = store.backend.get(object_key(code.package.digest))
    except NotFoundError as error:
        raise DamagedError(
            f"the code of run {run} is missing", where=f"store {store.url}", next="fairlead store check"
        ) from error
    members = read_members(data)
    if MANIFEST in members:
        return code.package.digest, data, ()
    project = find_project(Path(code.file))._replace(module=code.module)
    described = {MANIFEST: Member(describe(project, ()))}
    if project.relative(code.file) not in members:
        raise UsageError(
            f"the project of run {run} is not where it was",
            where=code.file,
            why="which of its folders modules are found in was not recorded",
            next=f"put it back, or run it anew: fairlead rerun {run}",
        )
    notes: tuple[str, ...] = ()
    if project.file.exists():
        try:
            described = read_members(packed_project(project, store.url).data)
        except UsageError as error:
            notes = (f"there are no files of the project beside its modules: {error.what}",)
    return code.package.digest, pack({**described, **members}), notes


def _new_folder(found: Recorded) -> Path:
    parent = home() / "debug"
    parent.mkdir(parents=True, exist_ok=True)
    name = f"{found.task.run}-{found.title.replace('/', '-')}-"
    return Path(tempfile.mkdtemp(prefix=name, dir=parent))


def _bring_checkpoint(store: Store, task: WorkerTask, place: Workplace) -> None:
    """Copy the newest checkpoint that the step has left on this machine."""
    folder = store.checkpoints(task.run) / f"{task.step.name}.{task.index}"
    if task.step.checkpoint is not None:
        folder = Path(task.step.checkpoint).expanduser() / task.run / f"{task.step.name}.{task.index}"
    with suppress(FileNotFoundError, NotADirectoryError):
        complete = sorted(each for each in folder.iterdir() if each.is_dir() and each.name.isdigit())
        if complete and not (place.checkpoints / complete[-1].name).exists():
            shutil.copytree(complete[-1], place.checkpoints / complete[-1].name, symlinks=True)
