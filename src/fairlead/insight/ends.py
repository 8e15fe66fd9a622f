"""How containers of a pod ended badly, as far as that still matters: what has run well for long since is over.

The kubelet itself forgets a container's restarts once that has run for ten minutes
(https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy). One that ran for longer before it
ended may end so again: it is well once it has run on for as long, or for an hour. One that ends again and again has a
rhythm of its own, and is over only when it has run for longer than that.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from fairlead.snapshots.parts import Part
from fairlead.snapshots.snapshot import INITS, Snapshot, Thing, moment

_RHYTHM_MIN = 3
"""So many restarts have a rhythm."""
_FORGOTTEN, _SINGLE, _LONGEST = timedelta(minutes=10), timedelta(hours=1), timedelta(days=1)


class End(NamedTuple):
    """How a container ended badly: the container, what says so, the exit code, and the cluster's reason."""

    container: Part
    state: Part
    code: int
    reason: str


def ends_of(pod: Thing, snapshot: Snapshot) -> tuple[End, ...]:
    """Return how containers ended badly, now or before their last restart, unless they have run well for long since."""
    return snapshot.once(("ends", pod.ref), lambda: tuple(_ends_of(pod, snapshot)))


def _ends_of(pod: Thing, snapshot: Snapshot) -> Iterator[End]:
    for container in pod.containers:
        now, last = container.part("state.terminated"), container.part("lastState.terminated")
        state = last if now.value is None else now
        if (code := state.number("exitCode")) and not is_over(container, pod, snapshot):
            yield End(container, state, code, state.text("reason"))


def is_over(container: Part, pod: Thing, snapshot: Snapshot) -> bool:
    """Say whether a container has run well for so long that its restarts explain nothing any more."""
    begun, now = moment(container.text("state.running.startedAt")), snapshot.now
    well = container.path.startswith(INITS) or container.part("ready").value is True
    if begun is None or now is None or not well or container.part("started").value is False:
        return False
    restarts = container.number("restartCount") or 0
    first, before = moment(pod.text("status.startTime")), moment(container.text("lastState.terminated.startedAt"))
    ended = moment(container.text("lastState.terminated.finishedAt"))
    enough = min(max(ended - before, _FORGOTTEN), _SINGLE) if ended and before else _SINGLE
    if restarts >= _RHYTHM_MIN and first and ended:
        enough = min(max((ended - first) / restarts * 1.5, _FORGOTTEN), _LONGEST)
    return now - begun > enough
