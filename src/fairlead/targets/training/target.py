"""What every target of steps with ranks is: how an attempt is compiled, and what its object says of it afterwards.

A package of others adds one by an entry point of the group ``fairlead.training``, which names a `Target`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from fairlead.errors import Fault
from fairlead.specs.contexts import Submission
from fairlead.specs.runtimes import ClusterRuntime, RankRuntime, fewest_nodes
from fairlead.specs.steps import Step
from fairlead.targets import naming
from fairlead.targets.orders import Manifest


class Resource(NamedTuple):
    """A kind of objects, and where an API server has them.

    Attributes:
        group: The API group.
        version: The version that is written.
        kind: As in a manifest.
        plural: As in a path.
    """

    group: str
    version: str
    kind: str
    plural: str

    @property
    def api_version(self) -> str:
        """As in a manifest: ``batch/v1``, or ``v1`` for the core."""
        return f"{self.group}/{self.version}" if self.group else self.version


@dataclass(frozen=True, slots=True)
class Gang:
    """One attempt of a step that has several pods: its ranks, or the nodes of its framework's cluster.

    Args:
        submission: Where it runs.
        step: The definition.
        name: The name of the instance.
        index: Its index.
        number: The number of the attempt, which names carry.
    """

    submission: Submission
    step: Step
    name: str
    index: int
    number: int

    @property
    def attempt(self) -> str:
        """As pods carry it, and the worker finds its task by: ``fit.0.1``."""
        return f"{self.name}.{self.index}.{self.number}"

    @property
    def runtime(self) -> RankRuntime:
        """How the ranks are arranged, where there are some."""
        assert isinstance(self.step.runtime, RankRuntime)
        return self.step.runtime

    @property
    def cluster(self) -> ClusterRuntime:
        """Which cluster works for the step, where one does."""
        assert isinstance(self.step.runtime, ClusterRuntime)
        return self.step.runtime

    @property
    def object_name(self) -> str:
        """The name of what the attempt becomes."""
        return naming.gang_name(self.submission, self.name, self.index, self.number)


class State(NamedTuple):
    """What an object says of its gang.

    Attributes:
        word: ``waiting`` while it is held back, by a queue; ``failed`` and ``succeeded`` are ends. Where an object says
            what is not known here, the gang is ``running``.
        note: In the object's words: why; or what is not known here.
    """

    word: Literal["waiting", "running", "succeeded", "failed"]
    note: str = ""


def not_elastic(step: Step) -> Iterator[Fault]:
    """Yield what of a step can't be had where a gang has all its nodes, or does not run."""
    if fewest_nodes(step.runtime) is not None:
        yield Fault("runtime.nodes_min", "can't be had: a gang has all its nodes there, or does not run")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One way to run the pods of a step together.

    Args:
        name: As ``--target`` has it: ``jobset``.
        component: What a cluster needs for it, in words: ``JobSet 0.8 or newer``.
        runtimes: The kinds of runtimes that it runs.
        resources: The kinds that it creates; the last one is that of the object that is waited for.
        groups_itself: Whether its component makes the group of pods that a gang scheduler reads, of the object's name.
        mounts_images: Whether its pods can have volumes that are images, as far as its component's schema says.
        overlays: Those, beside that last one, that a step's overlays can change.
        faults: Says what of a step it can't express, with paths below it.
        render: Compiles an attempt; the last object is waited for, and is removed with all others.
        state: Reads what became of that object.
    """

    name: str
    component: str
    runtimes: frozenset[str]
    resources: tuple[Resource, ...]
    groups_itself: bool = False
    mounts_images: bool = True
    overlays: tuple[str, ...] = ()
    render: Callable[[Gang], list[Manifest]]
    state: Callable[[Manifest], State]
    faults: Callable[[Step], Iterable[Fault]] = not_elastic

    @property
    def awaited(self) -> Resource:
        """The kind of the object that is waited for."""
        return self.resources[-1]
