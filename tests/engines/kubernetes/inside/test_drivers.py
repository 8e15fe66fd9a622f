"""A driver whose calls can't be made: it is ended, and not left to wait for answers that nobody gives."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from fairlead.store.layout import Task, attempt_key
from fairlead.store.records import AttemptRecord, decode
from worker.pods.running import PodLaunch, environment

SCRIPT = Path(__file__).with_name("driven.py")
TESTS = Path(__file__).parents[3]
FLOW = """
from fairlead import flow, step

@step
def one() -> int:
    return 1

@flow(dynamic=True)
def calls() -> int:
    return one()
"""


def test_an_api_server_that_is_away_for_good_fails_the_attempt_of_a_driver(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").touch()
    (project / "flow.py").write_text(FLOW)
    launch = PodLaunch(tmp_path)
    launch.starter = (sys.executable, str(SCRIPT))
    run = launch.submit(project / "flow.py", "calls", {})
    paths = os.pathsep.join((environment()["PYTHONPATH"], str(TESTS), str(TESTS.parent)))
    assert run.pod().attempt(env=environment() | {"PYTHONPATH": paths}) == 1, run.pod().output
    key = attempt_key(run.spec.run, Task("calls", 0, 1))
    record = decode(run.store.backend.get(key), AttemptRecord, key=key)
    assert record.error is not None
    assert (record.status, record.infrastructure, record.retry) == ("failed", True, True)
    assert record.error.type == "Worker" and "Unreachable" in record.error.message
