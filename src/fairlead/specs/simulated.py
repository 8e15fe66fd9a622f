"""Parts of the report of a simulation."""

from __future__ import annotations

import msgspec


class Seconds(msgspec.Struct, frozen=True, kw_only=True):
    """How long something took, in seconds: the mean, percentiles by nearest rank, and the most."""

    mean: float
    p50: int
    p90: int
    p99: int
    most: int


class UsagePoint(msgspec.Struct, frozen=True, kw_only=True):
    """The mean of a part of the time.

    Attributes:
        from_s: When it begins, in seconds, as arrivals are counted; it ends with the next one.
        gpu_allocation: What jobs had, in per cent of all GPUs.
        fragmentation: What was free, but of no use to the typical workload, in per cent of all GPUs.
        waiting: How many jobs waited.
    """

    from_s: int
    gpu_allocation: float
    fragmentation: float
    waiting: float


class QueueOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the jobs of one queue.

    Attributes:
        name: The ClusterQueue's name.
        jobs: How many came.
        given_up: How many of them can never begin or never end.
        evictions: How often one was taken back so that others begin.
        reclaims: How often one stopped because a node of it was taken away.
        lost_gpu_hours: GPU-hours that were used in vain: since a job's last checkpoint, or since it had begun.
        gpu_hours: GPU-hours that jobs had, those in vain included.
        wait: From arrival to first beginning; null where none began.
        completion: From arrival to end; null where none began.
    """

    name: str
    jobs: int
    given_up: int
    evictions: int
    reclaims: int = 0
    lost_gpu_hours: float
    gpu_hours: float
    wait: Seconds | None
    completion: Seconds | None


class Reclaimed(msgspec.Struct, frozen=True, kw_only=True):
    """What nodes that were taken away took with them.

    Attributes:
        nodes: How often one was taken away.
        jobs: How often a job stopped with one, and waited again.
        lost_gpu_hours: GPU-hours that jobs lost so: since their last checkpoints, or since they had begun.
        away_node_hours: For how long nodes were away, all of them together, from the first arrival to the last end.
    """

    nodes: int
    jobs: int
    lost_gpu_hours: float
    away_node_hours: float


class GangsTogether(msgspec.Struct, frozen=True, kw_only=True):
    """How many gangs had all their pods near each other, when they ended.

    Attributes:
        label: The label of nodes by which they are near: of a rack, for instance.
        gangs: How many jobs of several pods began.
        together: How many of them were on nodes with one value of it.
    """

    label: str
    gangs: int
    together: int


class ElasticGangs(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs that began with fewer pods than they have, where not all found a place.

    Attributes:
        gangs: How many jobs that may do so have run.
        smaller: How many of them had fewer, when they ended.
        pods_percent: How many of their pods these had, in the mean; null where there are none.
    """

    gangs: int
    smaller: int
    pods_percent: float | None = None


class WaitShare(msgspec.Struct, frozen=True, kw_only=True):
    """How many jobs waited no longer than some time.

    Attributes:
        wait_s: The time, in seconds.
        jobs_percent: How many did, in per cent of those that began.
    """

    wait_s: int
    jobs_percent: float


class NodesCost(msgspec.Struct, frozen=True, kw_only=True):
    """What nodes cost from the first arrival to the last end, whether jobs used them or not, by a price book.

    A node that was taken away costs nothing until it is back.

    Attributes:
        currency: The price book's.
        per_h: All nodes for an hour; null where a price is missing, as all that follows.
        over_makespan: All nodes for the whole time.
        per_used_gpu_h: That for each hour of a GPU that jobs had; null where they had none, too.
        more_than_as_is: How much more that is than as it is: less than nothing where it is less; null where nothing is
            compared, too.
        lacking: Prices that the book does not have.
    """

    currency: str
    per_h: float | None = None
    over_makespan: float | None = None
    per_used_gpu_h: float | None = None
    more_than_as_is: float | None = None
    lacking: tuple[str, ...] = ()
