"""Small random cohorts and what comes to them: for properties, for the exhaustive reference, and for a real Kueue."""

from __future__ import annotations

import random
from typing import Literal, NamedTuple

import msgspec

from fairlead.queues.specs import (
    BorrowWithin,
    ClusterQueue,
    Cohort,
    FlavorQuotas,
    Fungibility,
    Preemption,
    Quota,
    ResourceGroup,
    Workload,
)


class Step(NamedTuple):
    """Something that happens: a workload comes, or one that is there ends."""

    what: Literal["submit", "finish"]
    workload: str


class Scenario(NamedTuple):
    """Queues, and what happens to them, one thing after the other."""

    queues: tuple[ClusterQueue, ...]
    cohorts: tuple[Cohort, ...]
    workloads: dict[str, Workload]
    steps: tuple[Step, ...]


def quota(chance: random.Random, most: int = 6, *, lends: bool = True) -> Quota:
    """Return a quota of a few units."""
    nominal = chance.randint(0, most)
    return Quota(
        nominal=nominal,
        borrowing_limit=chance.choice([None, None, 0, chance.randint(0, most)]) if lends else None,
        lending_limit=chance.choice([None, None, 0, chance.randint(0, max(nominal, 0))]) if lends else None,
    )


def scenario(seed: int, *, preempts: bool = True, nested: bool = True, length: int = 10) -> Scenario:
    """Return a scenario: equal seeds, equal scenarios."""
    chance = random.Random(seed)
    flavors = ("a", "b")[: chance.choice([1, 1, 2])]
    resources = ("cpu", "gpu")[: chance.choice([1, 1, 2])]
    has_cohort = chance.random() < 0.85
    parents = {"top": "", "left": "top", "right": "top"} if nested and chance.random() < 0.4 else {"top": ""}
    names = [f"q{number}" for number in range(chance.randint(1, 3))]
    queues = tuple(_queue(chance, name, flavors, resources, parents if has_cohort else {}, preempts) for name in names)
    cohorts = tuple(
        Cohort(
            name=name, parent=parent,
            groups=_groups(chance, flavors, resources, lends=bool(parent)) if chance.random() < 0.3 else (),
        )
        for name, parent in parents.items()
    )  # fmt: skip
    workloads, steps = _coming(chance, names, flavors, resources, length)
    return Scenario(queues, cohorts if has_cohort else (), workloads, steps)


def contended(seed: int) -> Scenario:
    """Return a scenario in which queues with weights borrow from each other, and mostly may take work back."""
    chance = random.Random(f"contended {seed}")
    resources = ("cpu", "gpu")[: chance.choice([1, 1, 2])]
    parents = {"top": "", "left": "top", "right": "top"} if chance.random() < 0.4 else {"top": ""}
    names = [f"q{number}" for number in range(chance.randint(2, 4))]
    queues = []
    for name in names:
        drawn = _queue(chance, name, ("a",), resources, parents, preempts=True)
        rules = msgspec.structs.replace(
            drawn.preemption, reclaim=chance.choice(["Any", "Any", "LowerPriority", "Never"]), borrow_within=None
        )
        limits = chance.random() < 0.2
        quotas = {each: _small(chance, limits=limits) for each in resources}
        group = ResourceGroup(resources=resources, flavors=(FlavorQuotas(name="a", quotas=quotas),))
        queues.append(msgspec.structs.replace(drawn, groups=(group,), preemption=rules, weight=_weight(chance)))
    cohorts = tuple(Cohort(name=name, parent=parent, weight=_weight(chance)) for name, parent in parents.items())
    workloads, steps = _coming(chance, names, ("a",), resources, length=14)
    return Scenario(tuple(queues), cohorts, workloads, steps)


def _small(chance: random.Random, *, limits: bool) -> Quota:
    found = quota(chance, 4)
    return found if limits else Quota(nominal=found.nominal)


def _weight(chance: random.Random) -> float:
    return chance.choice([1.0, 1.0, 2.0, 0.5, 0.0])


def _coming(
    chance: random.Random, queues: list[str], flavors: tuple[str, ...], resources: tuple[str, ...], length: int
) -> tuple[dict[str, Workload], tuple[Step, ...]]:
    """Return what comes and ends."""
    workloads: dict[str, Workload] = {}
    steps: list[Step] = []
    for number in range(length):
        there = [name for name in workloads if not any(each == Step("finish", name) for each in steps)]
        if there and chance.random() < 0.25:
            steps.append(Step("finish", chance.choice(there)))
            continue
        name = f"w{number}"
        workloads[name] = _workload(chance, name, chance.choice(queues), flavors, resources, float(number))
        steps.append(Step("submit", name))
    return workloads, tuple(steps)


def _groups(
    chance: random.Random, flavors: tuple[str, ...], resources: tuple[str, ...], *, lends: bool = True
) -> tuple[ResourceGroup, ...]:
    quotas = [
        FlavorQuotas(name=flavor, quotas={resource: quota(chance, lends=lends) for resource in resources})
        for flavor in flavors
    ]
    return (ResourceGroup(resources=resources, flavors=tuple(quotas)),)


def _queue(
    chance: random.Random,
    name: str,
    flavors: tuple[str, ...],
    resources: tuple[str, ...],
    cohorts: dict[str, str],
    preempts: bool,
) -> ClusterQueue:
    cohort = chance.choice([*(each for each in cohorts if each != "top"), "top"]) if cohorts else ""
    reclaim = chance.choice(["Never", "LowerPriority", "Any"])
    rules = Preemption(
        within=chance.choice(["Never", "LowerPriority", "LowerOrNewerEqualPriority"]),  # type: ignore[arg-type]
        reclaim=reclaim,  # type: ignore[arg-type]
        borrow_within=chance.choice([None, BorrowWithin(threshold=chance.choice([None, 1]))])
        if reclaim != "Never"
        else None,
    )
    fungibility = Fungibility(
        when_can_borrow=chance.choice(["MayStopSearch", "TryNextFlavor"]),  # type: ignore[arg-type]
        when_can_preempt=chance.choice(["MayStopSearch", "TryNextFlavor"]),  # type: ignore[arg-type]
    )
    return ClusterQueue(
        name=name,
        groups=_groups(chance, flavors, resources, lends=bool(cohort)),
        cohort=cohort,
        strategy=chance.choice(["BestEffortFIFO", "BestEffortFIFO", "StrictFIFO"]),  # type: ignore[arg-type]
        preemption=rules if preempts else Preemption(),
        fungibility=fungibility,
    )


def _workload(
    chance: random.Random, name: str, queue: str, flavors: tuple[str, ...], resources: tuple[str, ...], created: float
) -> Workload:
    sets = [
        {resource: chance.randint(1, 4) for resource in resources if chance.random() < 0.9} or {resources[0]: 1}
        for _ in range(chance.choice([1, 1, 1, 2]))
    ]
    return Workload(
        name=name,
        queue=queue,
        pod_sets=tuple(sets),
        priority=chance.randint(0, 3),
        created=created,
        uid=name,
        flavors=frozenset({chance.choice(flavors)}) if len(flavors) > 1 and chance.random() < 0.2 else None,
    )
