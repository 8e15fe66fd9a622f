"""Whom an error of Ray's is due to, in a real cluster of Ray's that loses a node."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from engines.local.driving import SOURCE
from testbed.operators import python_environment

pytestmark = [pytest.mark.components("ray"), pytest.mark.timeout(900)]

SCRIPT = """
import json, os

import ray
from ray.cluster_utils import Cluster

from fairlead.worker.ray_losses import is_of_a_lost_node


class Server:
    def answer(self):
        return True

    def fail(self):
        raise ValueError("the user's own")

    def die(self):
        os._exit(1)


def error_of(call):
    try:
        ray.get(call)
    except Exception as error:
        return error


cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
doomed = cluster.add_node(num_cpus=1, resources={"doomed": 1})
cluster.add_node(num_cpus=1, resources={"lasting": 1})
ray.init(address=cluster.address)
make = ray.remote(num_cpus=0.1)(Server)
lasting, lost = (make.options(resources={name: 0.1}).remote() for name in ("lasting", "doomed"))
assert ray.get([lasting.answer.remote(), lost.answer.remote()]) == [True, True]
found = {"failed": is_of_a_lost_node(error_of(lasting.fail.remote()))}
found["crashed"] = is_of_a_lost_node(error_of(lasting.die.remote()))
found["nothing"] = is_of_a_lost_node(None)
cluster.remove_node(doomed)
found["lost"] = is_of_a_lost_node(error_of(lost.answer.remote()))
found["of another kind"] = is_of_a_lost_node(ValueError())
print(json.dumps(found))
ray.shutdown()
cluster.shutdown()
"""


def test_only_what_ray_lost_with_a_node_is_nobody_s_fault(tmp_path: Path) -> None:
    outside = {"PYTHONPATH": SOURCE, "HOME": str(tmp_path), "RAY_worker_register_timeout_seconds": "600"}
    python = python_environment("frameworks") / "bin/python"
    done = subprocess.run([python, "-c", SCRIPT], env=os.environ | outside, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "failed": False, "crashed": False, "nothing": False, "lost": True, "of another kind": False,
    }  # fmt: skip
