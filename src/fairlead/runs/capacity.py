"""What the GPUs would do: a workload replayed on nodes, both read from files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from fairlead.errors import UsageError
from fairlead.planner import openb
from fairlead.planner.curves import Bin, averaged, binned
from fairlead.planner.nodes import Node, gpu_millis_of
from fairlead.planner.policies.table import policy_named
from fairlead.planner.replay import replay
from fairlead.planner.workloads import Pod
from fairlead.runs.cores import on_cores
from fairlead.runs.tables import read_rows
from fairlead.specs.capacity import ReplayReport

_Task = tuple[str, int, float | None]
"""A policy, a seed, and how much the pods are made to ask for."""


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


class Replayed(NamedTuple):
    """What came of one replay."""

    policy: str
    seed: int
    bins: dict[int, Bin]


def replays(
    inputs: Inputs,
    policies: Sequence[str],
    seeds: Sequence[int],
    *,
    inflate: float | None = None,
    processes: int | None = None,
) -> Iterator[Replayed]:
    """Replay a workload with each policy and seed, and return each as soon as it is done, in any order.

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
    return (found for _, found in on_cores(_replayed, inputs, tasks, processes))


def averages(found: Iterable[Replayed], policies: Sequence[str]) -> dict[str, ReplayReport]:
    """Return what policies made of a workload, in their order; one of which nothing is done yet is left out."""
    bins: dict[str, list[dict[int, Bin]]] = {name: [] for name in policies}
    for each in sorted(found, key=lambda each: each.seed):  # the order does not depend on who was done first
        bins[each.policy].append(each.bins)
    return {name: averaged(each) for name, each in bins.items() if each}


def replay_policies(
    inputs: Inputs,
    policies: Sequence[str],
    seeds: Sequence[int],
    *,
    inflate: float | None = None,
    processes: int | None = None,
) -> dict[str, ReplayReport]:
    """Replay as `replays`, and return the averages; the result does not depend on how many processes do it."""
    return averages(replays(inputs, policies, seeds, inflate=inflate, processes=processes), policies)


def _replayed(inputs: Inputs, task: _Task) -> Replayed:
    policy, seed, inflate = task
    steps = replay(inputs.nodes, inputs.pods, policy_named(policy), seed, inflate)
    return Replayed(policy, seed, binned(steps, gpu_millis_of(inputs.nodes)))
