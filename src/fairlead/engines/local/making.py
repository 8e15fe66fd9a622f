"""Making the tasks of an attempt: what its processes are told."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from fairlead.engines.local.attempts import Attempt
from fairlead.engines.local.memory import MemoryLimits
from fairlead.engines.local.volumes import Folders, found_at
from fairlead.specs.runtimes import RankRuntime
from fairlead.specs.steps import SweepStep
from fairlead.store.layout import Task
from fairlead.store.opened import Store
from fairlead.store.progress import Instance, Progress
from fairlead.store.records import RunSpec
from fairlead.worker.calls import Calls
from fairlead.worker.keys import InstanceKeys
from fairlead.worker.tasks import Definition, Input, ProjectCode, Rank, WorkerTask


class TaskMaker:
    """Makes the tasks of a run's attempts.

    Args:
        store: The store.
        spec: What the run is.
        progress: How far it is.
        code: Where its code is.
        keys: The cache keys of its instances.
        calls: The calls of its drivers.
        memory: The memory limits of its processes.
        gpus: Whether this machine has GPUs, and a process must be told which are its own.
        folder: Where processes have their temporary files; None where they have the system's.
        inline: Whether steps run in this process, and write where it writes.
        standing: The folder with what stands for claims, see `fairlead.engines.local.volumes`.
    """

    def __init__(
        self,
        store: Store,
        spec: RunSpec,
        progress: Progress,
        code: ProjectCode,
        *,
        keys: InstanceKeys,
        calls: Calls,
        memory: MemoryLimits,
        gpus: bool,
        folder: str | None,
        inline: bool,
        standing: Path,
    ) -> None:
        self._store = store
        self._spec = spec
        self._progress = progress
        self._code = code
        self._keys = keys
        self._calls = calls
        self._memory = memory
        self._gpus = gpus
        self._folder = folder
        self._inline = inline
        self._folders = Folders(store.volumes(spec.run), standing)
        self._made: set[Path] = set()

    def scratch(self, identity: int) -> str | None:
        """Return the folder for a process's temporary files: a short path, for sockets may lie in it."""
        return None if self._folder is None else f"{self._folder}/{identity}"

    def log(self, attempt: Attempt, rank: Rank | None) -> Path:
        """Return the file for the output of an attempt or one of its ranks, its folder made."""
        path = self._store.log_path(self._spec.run, _task(attempt, rank))
        if path.parent not in self._made:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(path.parent)
        return path

    def maker(
        self, attempt: Attempt, inputs: dict[str, Input], rank: Rank | None, log: Path
    ) -> Callable[[int], WorkerTask]:
        """Return what makes the task once the number of its process is known."""
        instance, step = attempt.instance, attempt.instance.step
        node = self._progress.node_of(instance)
        ranks_here = rank.local_world_size if rank else 1
        is_first = rank is None or rank.rank == 0
        metrics = self._store.metrics_path(self._spec.run, _task(attempt, rank))
        attempt.metrics.append(metrics)
        volumes = self._folders.make(instance, attempt.number, rank.node_rank if rank else 0)

        def make(identity: int) -> WorkerTask:
            return WorkerTask(
                id=identity,
                run=self._spec.run,
                step=msgspec.structs.replace(step, name=instance.name) if step.name != instance.name else step,
                index=instance.index,
                number=attempt.number,
                code=self._code,
                inputs=inputs,
                exports=node.exports if node else (),
                split=node.split if node else (),
                store=self._store.url,
                host=str(self._store.host),
                log=None if self._inline else str(log),
                metrics=str(metrics),
                scratch=self.scratch(identity),
                volumes=volumes,
                checkpoints=str(self._checkpoints(instance, volumes)),
                cache_key=self._keys.of(instance) if is_first and step.cache != "off" else None,
                threads=max(1, step.resources.cpu_millis // 1000 // ranks_here),
                variables=self._variables(attempt, rank),
                rank=rank,
                memory_group=self._memory.admit(
                    identity, (attempt, rank.node_rank if rank else 0), _memory_bytes(attempt)
                ),
                definitions=self._definitions(instance),
                past=self._calls.past(instance) if isinstance(step, SweepStep) else (),
            )

        return make

    def _definitions(self, instance: Instance) -> dict[str, Definition]:
        """Return the definitions a sweep refers to."""
        if not isinstance(instance.step, SweepStep):
            return {}
        if instance.call is not None:
            called: dict[str, Definition] = instance.call.definitions
            return called
        trial = instance.step.trial
        return {trial: Definition(self._spec.graph.steps[trial], self._spec.sources.get(trial, {}))}

    def _variables(self, attempt: Attempt, rank: Rank | None) -> dict[str, str]:
        environment = attempt.instance.step.environment
        variables = dict(environment.variables)
        for secret in environment.secrets:  # on this machine a secret is the user's own variable of that name
            if secret.variable in os.environ:
                variables[secret.variable] = os.environ[secret.variable]
        if self._gpus:
            variables["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, _share(attempt.gpus, rank)))
        return variables

    def _checkpoints(self, instance: Instance, volumes: Mapping[str, str]) -> Path:
        name = f"{instance.name}.{instance.index}"
        if instance.step.checkpoint is not None:
            return found_at(instance.step, instance.step.checkpoint, volumes).expanduser() / self._spec.run / name
        return self._store.checkpoints(self._spec.run) / name

    def remove_volumes(self, attempt: Attempt) -> None:
        """Remove the volumes that an attempt had for itself."""
        self._folders.remove(attempt.instance, attempt.number)


def _memory_bytes(attempt: Attempt) -> int | None:
    """Return the limit of a process: a rank shares its node's; any other has what the attempt has."""
    step = attempt.instance.step
    declared = step.resources.memory_bytes if isinstance(step.runtime, RankRuntime) else attempt.amount.memory_bytes
    return declared or None


def _task(attempt: Attempt, rank: Rank | None) -> Task:
    instance = attempt.instance
    return Task(instance.name, instance.index, attempt.number, None if rank is None else rank.rank)


def _share(gpus: tuple[int, ...], rank: Rank | None) -> tuple[int, ...]:
    """Return the GPUs of one rank: an equal part each, or all of them where they can't be parted."""
    if rank is None or not gpus or len(gpus) % rank.world_size:
        return gpus
    each = len(gpus) // rank.world_size
    return gpus[rank.rank * each : (rank.rank + 1) * each]


def remove_scratch(folder: str | None) -> None:
    """Remove a process's temporary files; as a rule there are none."""
    if folder is None:
        return
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        return
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
