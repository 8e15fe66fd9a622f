"""A pod that creates others: ``python -m fairlead.engines.kubernetes.inside.main --run … --node …``."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from fairlead.engines.kubernetes.inside.drivers import definitions_of, run_driver
from fairlead.engines.kubernetes.inside.gangs import run_gang
from fairlead.kube.api import Patience
from fairlead.kube.client import Client
from fairlead.kube.connecting import in_pod
from fairlead.specs.contexts import Submission
from fairlead.store.layout import submission_key
from fairlead.store.progress import Instance
from fairlead.store.records import decode
from fairlead.targets.pods import is_gang
from fairlead.worker.pods.children import Death
from fairlead.worker.pods.pod import Pod, run_pod
from fairlead.worker.tasks import WorkerTask

PATIENCE = Patience(attempts=60)
"""An API server may be away for minutes, as while its only node starts anew; what runs meanwhile goes on."""


def execute(pod: Pod, instance: Instance, task: WorkerTask, log: Path) -> Death | None:
    """Do the work of an attempt in pods of its own."""
    key = submission_key(pod.spec.run, pod.place.generation)
    submission = decode(pod.backend.get(key), Submission, key=key)
    client = Client(in_pod(), patience=PATIENCE)
    task = msgspec.structs.replace(task, definitions=definitions_of(pod, instance))
    if is_gang(instance.step):
        return run_gang(pod, instance, task, client, submission)
    return run_driver(pod, instance, task, log, client, submission)


if __name__ == "__main__":
    sys.exit(run_pod(None, execute))
