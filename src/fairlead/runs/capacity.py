"""What the GPUs would do: a workload replayed on nodes, both read from files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import msgspec

from fairlead.errors import UsageError
from fairlead.planner import openb
from fairlead.planner.curves import Bin, averaged, binned
from fairlead.planner.nodes import Node, gpu_millis_of
from fairlead.planner.policies.table import policy_named
from fairlead.planner.replay import replay
from fairlead.planner.workloads import Pod
from fairlead.runs.tables import read_rows
from fairlead.specs.reports import ReplayReport

Item = TypeVar("Item")


class Inputs(msgspec.Struct, frozen=True):
    """Nodes and the pods that come, and what the user should know of the files that they were read from."""

    nodes: tuple[Node, ...]
    pods: tuple[Pod, ...]
    notes: tuple[str, ...] = ()


def read_inputs(nodes: Path, workloads: Path, *, skip_bad: bool = False) -> Inputs:
    """Read nodes and workloads in the openb format.

    Args:
        nodes: The file of nodes.
        workloads: The file of pods.
        skip_bad: Whether rows that can't be are left out and counted, instead of refused.

    Raises:
        UsageError: A file can't be read, or there are no GPUs, or no pods that ask for one.
        SpecError: Rows can't be; it names their lines.
    """
    notes: list[str] = []
    found = with_gpus(nodes, read_rows(nodes, openb.read_nodes, notes, skip_bad=skip_bad))
    pods = read_rows(workloads, lambda lines: openb.read_pods(lines, found), notes, skip_bad=skip_bad)
    if not any(pod.demand.gpus for pod in pods):
        raise UsageError("there is no pod that asks for a GPU", where=str(workloads))
    return Inputs(found, pods, tuple(notes))


def with_gpus(file: Path, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Return nodes of a file, one of which has a GPU at least.

    Raises:
        UsageError: None has one.
    """
    if not gpu_millis_of(nodes):
        raise UsageError("there is no node with a GPU", where=str(file), next="give a list of nodes that have some")
    return nodes


def replay_policies(
    inputs: Inputs,
    policies: Sequence[str],
    seeds: Sequence[int],
    *,
    inflate: float | None = None,
    processes: int | None = None,
) -> dict[str, ReplayReport]:
    """Replay a workload with each policy and seed; the result does not depend on how many processes do it.

    Args:
        inputs: Nodes and pods.
        policies: The policies' names.
        seeds: A replay for each; they decide the order of pods and nodes, alike for all policies.
        inflate: How much of all GPUs the pods are made to ask for; 1.3 is 130 %. As they are where None.
        processes: How many processes; as many as there are cores where None.

    Raises:
        UsageError: There is no such policy.
    """
    for name in policies:
        policy_named(name)
    tasks = [(name, seed, inflate) for name in policies for seed in seeds]
    count = min(processes or _cores(), len(tasks))
    with ExitStack() as stack:
        if count == 1:
            found = [_replayed(inputs, *task) for task in tasks]
        else:
            # spawn: a process that has threads, as NumPy's may, is not forked
            pool = ProcessPoolExecutor(count, get_context("spawn"), _Worker.begin, (inputs,))
            stack.callback(pool.shutdown, cancel_futures=True)
            found = list(pool.map(_Worker.replayed, tasks))
    per_seed = len(seeds)
    return {name: averaged(found[place * per_seed :][:per_seed]) for place, name in enumerate(policies)}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _replayed(inputs: Inputs, policy: str, seed: int, inflate: float | None) -> dict[int, Bin]:
    steps = replay(inputs.nodes, inputs.pods, policy_named(policy), seed, inflate)
    return binned(steps, gpu_millis_of(inputs.nodes))


class _Worker:
    """What a process of the pool has: the inputs, sent once."""

    inputs: Inputs

    @classmethod
    def begin(cls, inputs: Inputs) -> None:
        cls.inputs = inputs

    @classmethod
    def replayed(cls, task: tuple[str, int, float | None]) -> dict[int, Bin]:
        return _replayed(cls.inputs, *task)
