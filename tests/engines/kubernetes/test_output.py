"""A step that writes more than a kubelet keeps: its log is complete in the store, and its worker stays small."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engines.kubernetes.fates import PATIENCE_S, remove
from engines.local.driving import SOURCE, Driver, wait_for
from fairlead.kube.client import Client
from fairlead.kube.resources import POD
from fairlead.runs.home import home
from fairlead.store.opened import Store
from fairlead.targets import naming

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(1200)]

LINES = 1_000_000
FLOW = f'''
import os
from fairlead import Retries, flow, step

@step(cpu="500m", memory="256Mi", cache=False, retries=Retries(user=0, infrastructure=0))
def verbose() -> int:
    """Write 100 MB in lines of 100 bytes; returns the most memory that the worker has had meanwhile, in KiB."""
    for number in range({LINES}):
        print(f"line {{number:09}} " + "x" * 84)
    with open(f"/proc/{{os.getppid()}}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))

@flow
def talking():
    verbose()
'''


def test_100_mb_of_log_are_complete_when_the_pods_are_gone(client: Client, store: Store, file: Path) -> None:
    driver = Driver(home(), "run", f"{file}:talking", "-o", "json", store=store)
    try:
        ended = driver.ended(PATIENCE_S)
        assert ended.report.status == "succeeded"
        assert len(ended.report.steps[0].attempts) == 1
        assert store.values.load(ended.report.steps[0].artifacts[0]) < 150 << 10
    finally:
        driver.end()
        remove(client, driver.run)
    wait_for(lambda: not client.list(POD, labels={naming.RUN: driver.run}).items, patience_s=PATIENCE_S)
    wanted = hashlib.sha256()
    for number in range(LINES):
        wanted.update(f"line {number:09} {'x' * 84}\n".encode())
    command = [sys.executable, "-m", "fairlead", "logs", driver.run]
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as reader:
        assert reader.stdout is not None
        found = hashlib.sha256()
        while block := reader.stdout.read(1 << 20):
            found.update(block)
    assert reader.returncode == 0
    assert found.hexdigest() == wanted.hexdigest()
