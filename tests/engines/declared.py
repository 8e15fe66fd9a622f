"""What the built-in engines honour that no step can tell of, and which tests hold it."""

from __future__ import annotations

from fairlead.engines.differences import DIFFERENCES

LOCAL = {
    "differences": tuple(each for each in DIFFERENCES if each.engine == "local"),
    "elsewhere": {
        "command": "worker/test_containers.py",
        "image": "worker/test_containers.py",
        "checkpoint": "engines/local/test_checkpoints.py",
        "resources.memory": "engines/local/test_memory.py",
        "retries.backoff_max": "specs/test_steps.py",
        "retries.factor": "specs/test_steps.py",
        "retries.infrastructure": "engines/local/test_faults.py",
    },
}

_MANIFESTS = (
    "environment.image", "environment.secrets", "labels", "priority", "queue", "resources.cpu", "resources.disk",
    "resources.gpus", "resources.memory", "resources.shared_memory", "retries.backoff_max", "spot", "volumes",
)  # fmt: skip

KUBERNETES = {
    "differences": tuple(each for each in DIFFERENCES if each.engine == "kubernetes"),
    "elsewhere": {
        **dict.fromkeys(_MANIFESTS, "targets/test_goldens.py"),
        "command": "worker/test_containers.py",
        "environment.lock": "worker/pods/test_layers.py",
        "environment.packages": "worker/pods/test_layers.py",
        "overlays": "targets/test_overlays.py",
        "retries.infrastructure": "worker/pods/test_pod.py",
        "runtime.cluster": "targets/training/test_standing_clusters.py",
        "runtime.nodes_min": "targets/training/test_training_operator.py",
        "runtime.roles": "targets/test_refusals.py",
    },
}
