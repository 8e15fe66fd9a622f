from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from fairlead.cli.main import call
from fairlead.runs import contexts
from fairlead.specs.contexts import Context
from fairlead.specs.hardware import Advertised, Hardware

FLOW = """
from fairlead import flow, runtimes, step

@step
def numbers(n: int) -> list[int]:
    return list(range(n))

@step(runtime=runtimes.torch(nodes=2))
def fit(x: int) -> int:
    return x

@flow
def main(n: int = 3) -> None:
    fit.map(numbers(n))
    fit.map([1, 2])
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A flow, and a context whose cluster and store nobody can reach."""
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    monkeypatch.delenv("FAIRLEAD_CONTEXT", raising=False)
    contexts.add(Context(name="far", store="s3://nowhere/x", image="python", worker_image="fairlead"))
    path = tmp_path / "flow.py"
    path.write_text(FLOW)
    return str(path)


@pytest.fixture
def render(file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setenv("FAIRLEAD_CONTEXT", "")
        capsys.readouterr()
        code = call(["render", file, *words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_a_context_gives_its_objects_without_a_cluster_and_the_same_ones_every_time(render: Any) -> None:
    first, second = render("--on", "far"), render("--on", "far")
    assert first == second
    code, out, err = first
    assert code == 0 and err == ""
    (manifest,) = yaml.safe_load_all(out)
    assert manifest["kind"] == "Workflow" and manifest["metadata"]["namespace"] == "default"
    assert manifest["metadata"]["name"] == "main-00000000-000000-00000-1"


def test_devices_that_are_claimed_come_with_the_template_of_their_claim(render: Any, file: str) -> None:
    accelerators = {"H200": Advertised(device_class="gpu.nvidia.com")}
    hardware = Hardware(accelerators=accelerators)
    contexts.add(
        Context(name="dra", store="s3://nowhere/x", image="python", worker_image="fairlead", hardware=hardware)
    )
    Path(file).write_text(FLOW.replace("@step\n", '@step(gpus="H200:2")\n'))
    code, out, _ = render("--on", "dra")
    workflow, template = yaml.safe_load_all(out)
    assert (code, template["kind"]) == (0, "ResourceClaimTemplate")
    assert template["metadata"]["name"] in json.dumps(workflow)
    Path(file).write_text(FLOW.replace("@step\n", '@step(gpus="H100:2")\n'))
    code, _, said = render("--on", "dra")
    assert (code, said) == (2, """\
error: flow 'main' can't run in the context 'dra'
  steps.numbers.resources.gpus: the context's hardware has no H100; it has H200
  next   leave --on away
""")  # fmt: skip


def test_pods_are_counted_at_the_head(render: Any) -> None:
    assert render("--on", "far")[1].splitlines()[0] == (
        "# at least 11 pods: 7 of steps, 3 waiting for gangs, 1 to finish"
    )


def test_json_is_a_document_alone_and_the_count_stands_beside_it(render: Any) -> None:
    code, out, err = render("--on", "far", "-o", "json")
    assert code == 0 and json.loads(out)["kind"] == "Workflow"
    assert err.startswith("# at least 11 pods")


def test_the_chosen_context_is_the_one_that_counts(render: Any) -> None:
    contexts.use("far")
    assert render()[0] == 0


def test_labels_are_those_of_the_run(render: Any) -> None:
    (manifest,) = yaml.safe_load_all(render("--on", "far", "--label", "team=vision")[1])
    assert manifest["metadata"]["labels"]["team"] == "vision"
    code, _, err = render("--on", "far", "--label", "team=a b")
    assert code == 2 and "labels.team" in err


def test_without_a_context_it_asks_what_to_print(render: Any) -> None:
    code, out, err = render()
    assert (code, out) == (2, "") and "--on CONTEXT" in err and "--spec" in err


def test_a_spec_needs_no_context_and_is_the_same_with_one(render: Any) -> None:
    code, out, _ = render("--spec")
    assert code == 0 and yaml.safe_load(out)["flow"] == "main"
    assert render("--spec", "--on", "far")[1] == out


PLAIN = """
from fairlead import flow, step

@step
def numbers(n: int) -> list[int]:
    return list(range(n))

@step
def double(x: int) -> int:
    return 2 * x

@flow
def plain(n: int = 3) -> None:
    double.map(numbers(n))
"""


def test_a_package_for_kubeflow_pipelines_is_two_documents_and_the_same_every_time(render: Any, file: str) -> None:
    Path(file).write_text(PLAIN)
    words = ("--on", "far", "--as", "PipelineSpec", "--name", "doubled", "--no-cache")
    first, second = render(*words), render(*words)
    assert first == second
    code, out, err = first
    assert (code, err) == (0, "")
    assert out.startswith("# launches plain/")
    pipeline, platform = yaml.safe_load_all(out)
    assert pipeline["pipelineInfo"] == {"name": "doubled"}
    assert "platforms" in platform
    begin = pipeline["deploymentSpec"]["executors"]["exec-begin"]["container"]["args"]
    assert '"use_cache":false' in " ".join(begin)


def test_what_a_package_can_t_say_is_refused(render: Any) -> None:
    code, out, err = render("--on", "far", "--as", "PipelineSpec")
    assert (code, out) == (2, "")
    assert "steps.fit.runtime" in err and "--as WorkflowTemplate" in err


def test_a_package_is_compared_with_nothing(render: Any, file: str) -> None:
    Path(file).write_text(PLAIN)
    code, _, err = render("--on", "far", "--as", "PipelineSpec", "--diff")
    assert code == 2
    assert "a package differs from nothing" in err


def test_an_unknown_context_is_refused(render: Any) -> None:
    code, _, err = render("--on", "fra")
    assert code == 2 and "'far'" in err


POOLS = """
from fairlead import flow, runtimes, step

@step(runtime=runtimes.ray(workers=3))
def ray_pool(count: int) -> int:
    return count

@step(runtime=runtimes.dask(workers=2), packages=["six==1.17.0"])
def heavy() -> int:
    return 1

@step
def plain() -> int:
    return 1
"""


def test_a_cluster_that_stands_is_made_of_a_step_whatever_its_parameters_are(file: str, capsys: Any) -> None:
    Path(file).write_text(POOLS)
    words = ["render", f"{file}:ray_pool", "--on", "far", "--as", "RayCluster", "--label", "team=vision"]
    assert call(words) == 0
    out = capsys.readouterr().out
    assert out.startswith("# steps are sent into it by runtimes.ray(cluster='ray-pool-")
    made = yaml.safe_load(out)
    assert (made["kind"], made["metadata"]["labels"]["team"]) == ("RayCluster", "vision")
    assert made["spec"]["workerGroupSpecs"][0]["replicas"] == 3
    assert call([*words, "--name", "shared", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["metadata"]["name"] == "shared"


@pytest.mark.parametrize(
    ("step", "words", "said"),
    [
        ("ray_pool", ["--as", "DaskCluster"], ["its runtime is 'ray'", "runtime=runtimes.dask(workers=…)"]),
        ("plain", ["--as", "RayCluster"], ["its runtime is 'single'"]),
        ("ray_pool", ["--as", "RayCluster", "--name", "No"], ["--name", "'No' can't be the name of one"]),
        ("ray_pool", ["--as", "RayCluster", "--diff"], ["kubectl diff"]),
        ("heavy", ["--as", "DaskCluster"], ["environment.packages", "fairlead image build"]),
        ("pool", ["--as", "RayCluster"], ["no step 'pool'", "ray_pool"]),
    ],
)
def test_what_no_cluster_that_stands_can_be_made_of_is_refused(
    step: str, words: list[str], said: list[str], file: str, capsys: Any
) -> None:
    Path(file).write_text(POOLS)
    assert call(["render", f"{file}:{step}", "--on", "far", *words]) == 2
    err = capsys.readouterr().err
    assert all(each in err for each in said), err


def test_which_step_has_to_be_said_where_there_are_several(file: str, capsys: Any) -> None:
    Path(file).write_text(POOLS)
    assert call(["render", file, "--on", "far", "--as", "RayCluster"]) == 2
    assert "has 3 steps, and none is named" in capsys.readouterr().err
