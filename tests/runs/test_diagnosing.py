"""Why real runs on this machine failed: each cause by what a step does, grouped, with what followed and what changed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, NamedTuple

import pytest

from projects import Project

FLOW = """
    import os
    import signal
    import sys
    import time
    from fairlead import flow, step

    @step
    def numbers(n: int) -> list[int]:
        return list(range(n))

    @step(cache=False)
    def half(x: int, bad: int) -> int:
        if x % 7 == bad:
            raise ValueError(f"no luck with {x}")
        return x // 2

    @step
    def total(xs: list[int]) -> int:
        return sum(xs)

    @step
    def print_total(x: int) -> None:
        print(x)

    @flow
    def halves(n: int = 20, bad: int = -1):
        print_total(total(half.map(numbers(n), bad=bad)))

    @step(cache=False, timeout="4s", memory="300Mi")
    def fall(how: str, after: int = 0) -> int:
        match how:
            case "module":
                import a_module_that_is_not_there
            case "timeout":
                time.sleep(30)
            case "memory":
                return len(bytearray(600 << 20))
            case "signal":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "exit":
                os._exit(3)
            case "gpu":
                raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return 1

    @flow
    def falls(how: str):
        fall(how)

    @step
    def now() -> float:
        return time.time()

    @flow
    def clock():
        now()

    @step(cache=False)
    def sleep() -> int:
        print("here", flush=True)
        time.sleep(60)
        return 1

    @flow
    def sleeps():
        print_total(sleep())
"""


class Done(NamedTuple):
    """A project whose flow succeeded once and then failed."""

    project: Project
    green: str
    red: str

    def why(self, text: str) -> dict[str, Any]:
        return self.project.document("why", text)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    project = Project(tmp_path_factory.mktemp("why"), {"flow.py": FLOW})
    green = project.document("run", "flow.py:halves")["run"]
    return Done(project, green, project.document("run", "flow.py:halves", "--bad", "3", code=1)["run"])


def test_failures_are_grouped_and_the_first_is_named(done: Done) -> None:
    found = done.why(done.red)
    (cause,) = found["causes"]
    assert (cause["id"], cause["subject"], cause["count"]) == ("exception", f"Step {done.red}/half/3", 3)
    assert "ValueError: no luck with 3, at " in cause["message"] and "flow.py:15 in half" in cause["message"]
    assert (found["state"], found["steps"]) == ("failed", {"succeeded": 18, "failed": 3, "blocked": 2})


def test_what_was_not_run_is_a_consequence_and_what_changed_is_said(done: Done) -> None:
    found = done.why(done.red)
    assert [each["message"] for each in found["consequences"]] == [
        "it was not run: half failed", "it was not run: total blocked",
    ]  # fmt: skip
    assert found["changed"]["run"] == done.green
    assert found["changed"]["what"][0].startswith("parameter bad: -1 → 3, which goes into half/3")


def test_a_step_that_was_not_run_is_explained_by_what_it_needs_however_far(done: Done) -> None:
    found = done.why(f"{done.red}/print_total/0")
    assert (found["state"], found["causes"][0]["id"]) == ("blocked", "exception")
    assert found["causes"][0]["count"] == 3


def test_one_instance_is_explained_by_itself(done: Done) -> None:
    found = done.why(f"{done.red}/half/10")
    assert (found["causes"][0]["subject"], found["causes"][0]["count"]) == (f"Step {done.red}/half/10", 1)
    assert done.why(f"{done.red}/half/4")["state"] == "succeeded"


def test_a_bundle_of_a_run_answers_as_the_run_does(done: Done) -> None:
    taken = done.project.call("snapshot", done.red, "-o", "bundle.tgz")
    assert taken.returncode == 0, taken.stderr
    here, there = done.why(done.red), done.why("bundle.tgz")
    assert (there["causes"], there["consequences"]) == (here["causes"], here["consequences"])
    assert done.why(f"bundle.tgz:{done.red}/total/0")["state"] == "blocked"


def test_people_read_the_first_cause_and_what_followed(done: Done) -> None:
    said = done.project.call("why", "latest").stdout
    lines = [
        f"Run {done.red} is failed: of its steps 18 succeeded, 3 failed, 2 blocked",
        "first cause: exception (code)",
        f"  where  Step {done.red}/half/3 and 2 more",
        f"  next   fairlead debug {done.red}/half/3 goes through it again with its inputs",
        f"since {done.green}, the last run of the flow that succeeded",
    ]
    assert [line for line in lines if line not in said] == []


def test_what_is_not_there_is_refused(done: Done) -> None:
    refused = done.project.call("why", f"{done.red}/nothing/0")
    assert refused.returncode == 4 and "has no step nothing/0" in refused.stderr
    refused = done.project.call("why", "pod-of-nowhere")
    assert refused.returncode == 4 and "there is no run 'pod-of-nowhere'" in refused.stderr


@pytest.mark.parametrize(
    ("how", "cause", "said"),
    [
        ("module", "module-missing", "a_module_that_is_not_there"),
        ("timeout", "timeout", "4s"),
        ("memory", "out-of-memory", "300Mi"),
        ("signal", "segmentation-fault", "SIGSEGV"),
        ("exit", "exit-code", "exit code 3"),
        ("gpu", "gpu-out-of-memory", "2.00 GiB"),
    ],
)
def test_each_cause_by_what_the_step_does(done: Done, how: str, cause: str, said: str) -> None:
    run = done.project.document("run", "flow.py:falls", "--how", how, code=1)["run"]
    found = done.why(run)
    assert [each["id"] for each in found["causes"]] == [cause]
    assert said in found["causes"][0]["message"] and found["causes"][0]["confidence"] >= 0.6


def test_a_result_that_is_another_one_each_time_is_told_of_a_run_that_succeeded(done: Done) -> None:
    done.project.document("run", "flow.py:clock")
    run = done.project.document("run", "flow.py:clock", "--no-cache")["run"]
    found = done.why(run)
    assert (found["state"], [each["id"] for each in found["causes"]]) == ("succeeded", ["result-unstable"])


def test_a_run_whose_driver_was_killed_is_lost_and_what_it_was_at_is_a_consequence(done: Done) -> None:
    with done.project.started("run", "flow.py:sleeps") as process:
        run = _beginning(done.project)
        process.kill()
        process.wait(30)
    found = done.why(run)
    assert (found["state"], found["causes"][0]["id"]) == ("lost", "driver-gone")
    assert f"fairlead resume {run}" in found["causes"][0]["remedy"]
    cancelled = done.project.call("cancel", run)
    assert cancelled.returncode == 0, cancelled.stderr


def _beginning(project: Project) -> str:
    """Wait until a step that sleeps has begun; returns its run."""
    command = [sys.executable, "-m", "fairlead", "ps", "-o", "json"]
    for _ in range(100):
        listed = subprocess.run(
            command, cwd=project.folder, env=project.environment, capture_output=True, text=True, timeout=60, check=True
        )
        for each in json.loads(listed.stdout):
            if each["flow"] == "sleeps" and list((project.home / "runs" / each["run"]).glob("logs/sleep.*")):
                return str(each["run"])
    raise TimeoutError("it has not begun")
