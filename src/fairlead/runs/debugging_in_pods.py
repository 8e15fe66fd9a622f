"""Going through a recorded step again in a cluster: in a pod that has the step's image, resources and volumes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from fairlead.engines.kubernetes import debugging
from fairlead.errors import UsageError
from fairlead.kube.client import Client
from fairlead.packaging.manifest import MANIFEST
from fairlead.packaging.package import read_members
from fairlead.runs.clusters import open_place
from fairlead.runs.debugging import Recorded
from fairlead.specs.contexts import Submission
from fairlead.store.backends import Backend, list_all
from fairlead.store.layout import object_key, run_prefix
from fairlead.store.records import decode


class Opened(NamedTuple):
    """A pod that can be entered."""

    client: Client
    namespace: str
    pod: str
    entering: list[str]

    def command(self, *words: str) -> list[str]:
        """Return the command that runs another one where the step's code is; a shell where none is given."""
        return [*self.entering, *words]


@contextmanager
def opened_in(context: str, found: Recorded, lasting_s: int, say: Callable[[str], None]) -> Iterator[Opened]:
    """Have a pod with a step's code and inputs; it is removed at the end.

    Args:
        context: Where.
        found: What the step was given.
        lasting_s: For how many seconds the pod is there at most.
        say: Is told what the pod waits for.

    Raises:
        UsageError: The step did not run on a cluster.
        ClusterError: The cluster can't be reached, refuses, or ends the pod.
    """
    place = open_place(context)
    backend = place.store.backend
    submission = _submission(backend, found)
    # Of what the run was submitted with only the worker is another one: it must know how to be entered.
    worker = place.context.worker_image or submission.context.worker_image
    submission = msgspec.structs.replace(
        submission, context=msgspec.structs.replace(submission.context, worker_image=worker)
    )
    with debugging.debug_pod(place.client, submission, found.task, lasting_s=lasting_s, say=say) as pod:
        entering = debugging.worker_command(submission, found.task.step, "entering", debugging.FOLDER)
        yield Opened(place.client, submission.namespace, pod, entering)


def _submission(backend: Backend, found: Recorded) -> Submission:
    """Return what a run was submitted to a cluster with, the last time."""
    keys = [entry.key for entry in list_all(backend, run_prefix(found.task.run) + "submissions/")]
    assert found.task.code.package is not None
    if not keys or MANIFEST not in read_members(backend.get(object_key(found.task.code.package))):
        raise UsageError(
            f"run {found.task.run} did not run on a cluster",
            why="its code was not packed to travel",
            next=f"debug on this machine: fairlead debug {found.task.run}/{found.title} --local",
        )
    return decode(backend.get(keys[-1]), Submission, key=keys[-1])
