"""The commands of container steps: on this machine through an engine of containers, in a pod in its own image."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fairlead.specs.contexts import Context, Submission
from fairlead.specs.resources import Resources
from fairlead.specs.steps import ContainerStep, Parameter, Volume
from fairlead.targets.pods import step_pod
from fairlead.worker.containers import ContainerFailed, command_line, commanded
from fairlead.worker.tasks import ProjectCode, WorkerTask

PARAMETERS = (Parameter(name="text"), Parameter(name="numbers"))
COPY = "import json, sys; a = open(sys.argv[1]).read(); open(sys.argv[3], 'w').write(a + str(sum(json.load(open(sys.argv[2])))))"


def step_with(*command: str) -> ContainerStep:
    return ContainerStep(name="box", image="tools:1", command=command, parameters=PARAMETERS, outputs=("Path",))


def task_of(step: ContainerStep) -> WorkerTask:
    return WorkerTask(
        id=0, run="r", step=step, index=0, number=1, code=ProjectCode("f.py"), inputs={}, store="", host="", log=None,
        checkpoints="",
    )  # fmt: skip


def test_an_engine_of_containers_mounts_inputs_and_output_and_limits_the_step(tmp_path: Path) -> None:
    step = ContainerStep(
        name="box", image="tools:1", command=("copy", "{text}", "{else}", "--to={output}"), parameters=PARAMETERS,
        resources=Resources(cpu="500m", memory="1Gi"),
        volumes=(
            Volume(name="data", path="/data", claim="c", read_only=True), Volume(name="other", path="/other", claim="o"),
        ),
    )  # fmt: skip
    assert command_line(step, "podman", tmp_path, {"MODE": "fast"}, {"data": "/d"}) == [
        "podman", "run", "--rm", "--volume", f"{tmp_path}:/fairlead", "--volume", "/d:/data:ro", "--env", "MODE=fast", "--cpus", "0.5",
        "--memory", str(1 << 30), "tools:1", "copy", "/fairlead/text", "{else}", "--to=/fairlead/output",
    ]  # fmt: skip


def test_in_its_own_image_a_command_reads_inputs_and_leaves_its_output() -> None:
    step = step_with(sys.executable, "-c", COPY, "{text}", "{numbers}", "{output}")
    assert commanded(task_of(step))(text="sum: ", numbers=[1, 2, 3]).read_text() == "sum: 6"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ((sys.executable, "-c", "raise SystemExit(3)"), "exit code 3"),
        ((sys.executable, "-c", ""), "left nothing at {output}"),
        (("no-such-program",), "can't be started: no-such-program"),
    ],
)
def test_a_command_that_does_not_do_its_work_fails_the_step(command: tuple[str, ...], said: str) -> None:
    with pytest.raises(ContainerFailed, match=said):
        commanded(task_of(step_with(*command)))(text="x", numbers=[])


def test_a_pod_has_the_image_of_the_step_with_the_worker_in_it() -> None:
    context = Context(name="c", store="s3://b", image="python:3.12", worker_image="worker:1")
    pod = step_pod(Submission(run="r", flow="f", context=context, namespace="n"), step_with("true"), "--node=0")
    assert pod["containers"][0]["image"] == "tools:1"
    assert [each["image"] for each in pod["initContainers"]] == ["worker:1"]
