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
        given_up: How many of them can never begin.
        evictions: How often one was taken back so that others begin.
        lost_gpu_hours: GPU-hours that were used in vain: since a job's last checkpoint, or since it had begun.
        gpu_hours: GPU-hours that jobs had, those in vain included.
        wait: From arrival to first beginning; null where none began.
        completion: From arrival to end; null where none began.
    """

    name: str
    jobs: int
    given_up: int
    evictions: int
    lost_gpu_hours: float
    gpu_hours: float
    wait: Seconds | None
    completion: Seconds | None
