"""Kueue's own performance configuration, simulated: 15,000 workloads in 30 ClusterQueues. Prints JSON.

    python benchmarks/queues.py [--repetitions 5]

Five cohorts of six queues with quota for 20, that may borrow 100, take back what they lent (`reclaimWithinCohort: Any`)
and prefer what matters more (`withinClusterQueue: LowerPriority`). To each come 350 workloads that ask for 1 and run
0.2 s, one every 0.1 s, 100 for 5 and 0.5 s, every 0.5 s, and 50 for 20 and 1 s, every 1.2 s. Source:
https://github.com/kubernetes-sigs/kueue/blob/v0.19.2/test/performance/scheduler/configs/baseline/generator.yaml
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from typing import NamedTuple

from fairlead.queues.replay import Arrival, replay
from fairlead.queues.specs import ClusterQueue, FlavorQuotas, Preemption, Quota, ResourceGroup, Workload

COHORTS, QUEUES_EACH = 5, 6


class Kind(NamedTuple):
    """Workloads that are alike, but for when they come; times in seconds."""

    name: str
    count: int
    every: float
    cpu: int
    priority: int
    runtime: float


KINDS = (
    Kind("small", 350, 0.1, 1, 50, 0.2),
    Kind("medium", 100, 0.5, 5, 100, 0.5),
    Kind("large", 50, 1.2, 20, 200, 1.0),
)


def main() -> int:
    """Simulate it, and print how long that takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    queues = list(_queues())
    arrivals = [each for queue in queues for each in _arrivals(queue.name)]
    seconds, cpu_seconds = [], []
    for _ in range(options.repetitions):
        began, cpu = time.perf_counter(), time.process_time()
        outcomes = replay(queues, [], arrivals)
        seconds.append(time.perf_counter() - began)
        cpu_seconds.append(time.process_time() - cpu)
    found = {
        "workloads": len(arrivals),
        "queues": len(queues),
        "taken_back": sum(each.evictions for each in outcomes),
        "last_end_s": round(max(each.finished or 0.0 for each in outcomes), 1),
        "seconds": _spread(seconds),
        "cpu_seconds": _spread(cpu_seconds),
    }
    print(json.dumps(found, indent=2))
    return 0


def _queues() -> Iterator[ClusterQueue]:
    quotas = FlavorQuotas(name="default", quotas={"cpu": Quota(nominal=20, borrowing_limit=100)})
    for cohort in range(COHORTS):
        for number in range(QUEUES_EACH):
            yield ClusterQueue(
                name=f"cohort-{cohort}-cq-{number}",
                cohort=f"cohort-{cohort}",
                groups=(ResourceGroup(resources=("cpu",), flavors=(quotas,)),),
                preemption=Preemption(within="LowerPriority", reclaim="Any"),
            )


def _arrivals(queue: str) -> Iterator[Arrival]:
    for kind in KINDS:
        for number in range(kind.count):
            name = f"{queue}-{kind.name}-{number:03}"
            yield Arrival(
                workload=Workload(
                    name=name, uid=name, queue=queue, pod_sets=({"cpu": kind.cpu},), priority=kind.priority,
                    created=number * kind.every,
                ),
                runtime=kind.runtime,
            )  # fmt: skip


def _spread(values: list[float]) -> dict[str, float]:
    rounded = {"min": min(values), "median": statistics.median(values), "max": max(values)}
    return {name: round(each, 2) for name, each in rounded.items()}


if __name__ == "__main__":
    raise SystemExit(main())
