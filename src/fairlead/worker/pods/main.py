"""A step of one process in a pod: ``python -m fairlead.worker.pods.main --run … --node … --item …``."""

from __future__ import annotations

import sys

from fairlead.worker.pods.pod import in_child, run_pod

if __name__ == "__main__":
    sys.exit(run_pod(None, in_child))
