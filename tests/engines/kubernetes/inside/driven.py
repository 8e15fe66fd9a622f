"""A driver's pod, less its pod, whose API server is away: ``python driven.py MODULE ARGUMENT …``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from fairlead.engines.kubernetes.inside.drivers import run_driver
from fairlead.kube.api import ONCE
from fairlead.kube.client import Client
from fairlead.kube.connection import Connection
from fairlead.kube.credentials import Fixed
from fairlead.specs.contexts import Submission
from fairlead.store.progress import Instance
from fairlead.worker.pods.children import Death
from fairlead.worker.pods.pod import Pod, run_pod
from fairlead.worker.tasks import WorkerTask
from targets.goldens import CONTEXT


def execute(pod: Pod, instance: Instance, task: WorkerTask, log: Path) -> Death | None:
    client = Client(Connection("http://127.0.0.1:9", Fixed(), namespace="n"), patience=ONCE)
    submission = Submission(run=pod.spec.run, flow=pod.spec.graph.flow, context=CONTEXT, namespace="n")
    return run_driver(pod, instance, task, log, client, submission)


os.environ |= {"FAIRLEAD_POD": "p", "FAIRLEAD_POD_UID": "u"}
sys.exit(run_pod(sys.argv[2:], execute))
