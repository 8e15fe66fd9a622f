"""A step of one process in a pod: ``python -m fairlead.worker.pods.main --run … --node … --item …``."""

from __future__ import annotations

from fairlead.worker.ending import leave
from fairlead.worker.pods.children import TASK
from fairlead.worker.pods.pod import in_spare, run_pod
from fairlead.worker.pods.spare import spared

if __name__ == "__main__":
    with spared(TASK) as spare:
        code = run_pod(None, in_spare(spare))
    leave(code)
