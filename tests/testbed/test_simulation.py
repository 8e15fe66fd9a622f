"""Simulated nodes: pods that ask for them run and succeed there, Argo's controller believes it, and nothing is left."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from servers.apiserver import ApiServer
from servers.cluster import Cluster
from testbed import kubectl, versions
from testbed.__main__ import main
from testbed.simulation import LABEL, Simulation, simulated

needs_kwok = pytest.mark.components("kwok")

IMAGE = "example/never-pulled"
SECURITY = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def pod(name: str, **spec: Any) -> dict[str, Any]:
    """Return a pod that no kubelet could run: nobody has its image."""
    container = {"name": "main", "image": IMAGE, "command": ["true"], "securityContext": SECURITY}
    secure = {"securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"restartPolicy": "Never", "containers": [container], **secure, **spec},
    }


def workflow(name: str, simulation: Simulation, steps: int) -> dict[str, Any]:
    """Return chains of five steps, each of which says how long a list is, and a map over one of these lists."""
    parameter = {"name": "n", "value": "{{inputs.parameters.n}}"}
    says = {"name": "items-0", "valueFrom": {"path": "/facts/items-0", "default": "2"}}
    container = {"image": IMAGE, "command": ["true"], "securityContext": SECURITY}
    tasks: list[dict[str, Any]] = [
        {
            "name": f"n{number}",
            "template": "step",
            "arguments": {"parameters": [{"name": "n", "value": str(number)}]},
            **({"depends": f"n{number - 1}"} if number % 5 else {}),
        }
        for number in range(steps)
    ]
    tasks.append(
        {
            "name": "map",
            "template": "step",
            "arguments": {"parameters": [{"name": "n", "value": "{{item}}"}]},
            "depends": "n0",
            "withSequence": {"count": "{{tasks.n0.outputs.parameters.items-0}}"},
        }
    )
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": name},
        "spec": {
            "entrypoint": "flow",
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "templates": [
                {"name": "flow", "dag": {"tasks": tasks}},
                {
                    "name": "step",
                    "inputs": {"parameters": [{"name": "n"}]},
                    "metadata": {"labels": {parameter["name"]: parameter["value"]}},
                    "container": container,
                    "outputs": {"parameters": [says]},
                },
            ],
            **simulation.placement,
        },
    }


def test_every_stage_is_of_pods_or_nodes_and_the_versions_of_a_testbed_do_not_change_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = (kubectl.MANIFESTS / "kwok.yaml").read_text("utf-8")
    options, *stages = yaml.safe_load_all(text)
    assert options["kind"] == "KwokConfiguration"
    assert {each["spec"]["resourceRef"]["kind"] for each in stages} == {"Node", "Pod"}

    before = versions.whole()
    copied = tmp_path / "testbed"
    for folder in ("manifests", "tools", "containerfiles"):
        (copied / folder).mkdir(parents=True)
        for path in (versions.HERE / folder).rglob("*"):
            target = copied / path.relative_to(versions.HERE)
            target.mkdir(exist_ok=True) if path.is_dir() else target.write_bytes(path.read_bytes())
    (copied / "versions.toml").write_bytes((versions.HERE / "versions.toml").read_bytes())
    monkeypatch.setattr(versions, "HERE", copied)

    for name in versions.BESIDE:
        (copied / f"manifests/{name}.yaml").write_text("# another\n")
    assert versions.whole() == before
    (copied / "manifests/argo.yaml").write_text("# another\n")
    assert versions.whole() != before


@pytest.fixture
def kubeconfig(api_server: ApiServer, tmp_path: Path) -> Path:
    """Return the kubeconfig of an API server that has neither nodes nor a scheduler."""
    authority = tmp_path / "ca.crt"
    authority.write_text(api_server.authority)
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": api_server.url, "certificate-authority": str(authority)}}],
        "users": [{"name": "u", "user": {"token": api_server.token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(content))
    return path


@needs_kwok
def test_pods_on_a_simulated_node_succeed_and_go_with_it(kubeconfig: Path) -> None:
    cluster = Cluster(kubeconfig, IMAGE, {}, {}, namespace="default")
    with simulated(kubeconfig, nodes=2) as running:
        here, forever, elsewhere = (f"pod-{secrets.token_hex(4)}" for _ in range(3))
        first, second = running.nodes
        cluster.apply(
            pod(here, nodeName=first),
            pod(forever, nodeName=second, restartPolicy="Always"),
            pod(elsewhere, nodeName="real"),
        )

        cluster.kubectl("wait", f"pod/{here}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=30s")
        cluster.kubectl("wait", f"pod/{forever}", "--for=condition=Ready", "--timeout=30s")

        assert cluster.get("pod", elsewhere)["status"]["phase"] == "Pending"

    assert [each["metadata"]["name"] for each in cluster.get("pods")["items"]] == [elsewhere]
    assert cluster.get("nodes", f"--selector={LABEL}")["items"] == []
    assert not Path(f"/proc/{running.process}").exists()
    cluster.kubectl("delete", "pod", elsewhere, "--force", "--grace-period=0")


@needs_kwok
def test_a_simulation_that_an_error_ends_leaves_nothing(kubeconfig: Path) -> None:
    cluster = Cluster(kubeconfig, IMAGE, {}, {}, namespace="default")
    with pytest.raises(ZeroDivisionError), simulated(kubeconfig) as running:
        cluster.apply(pod("left", nodeName=running.nodes[0]))
        raise ZeroDivisionError

    assert cluster.get("pods")["items"] == cluster.get("nodes")["items"] == []


@pytest.mark.parametrize("arguments", [["simulate"], ["start", "mpi-operator"], ["start", "training-operator"]])
def test_without_a_testbed_nothing_can_run_beside_it(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAIRLEAD_TESTBED", str(tmp_path))

    assert main(arguments) == 1

    assert capsys.readouterr().err == "no testbed is up: make cluster\n"


@pytest.fixture
def name(cluster: Cluster) -> Iterator[str]:
    made = f"simulated-{secrets.token_hex(4)}"
    yield made
    cluster.kubectl("delete", "--ignore-not-found", f"workflow/{made}")


@needs_kwok
def test_a_workflow_of_fifty_steps_succeeds_with_the_defaults_of_its_outputs(
    cluster: Cluster, simulation: Simulation, name: str
) -> None:
    cluster.apply(workflow(name, simulation, steps=50))

    cluster.kubectl("wait", f"workflow/{name}", "--for=condition=Completed", "--timeout=180s")

    status = cluster.get("workflow", name)["status"]
    assert status["phase"] == "Succeeded", status.get("message")
    pods = [node for node in status["nodes"].values() if node["type"] == "Pod"]
    assert len(pods) == 50 + 2
    assert {node["hostNodeName"] for node in pods} <= {*simulation.nodes}
    assert {node["outputs"]["parameters"][0]["value"] for node in pods} == {"2"}


@needs_kwok
def test_a_pod_that_does_not_ask_for_it_never_comes_to_a_simulated_node(
    cluster: Cluster, simulation: Simulation, name: str
) -> None:
    chosen = {"nodeSelector": simulation.placement["nodeSelector"]}  # the tolerations are missing
    cluster.apply(pod(name, **chosen))

    cluster.kubectl("wait", f"pod/{name}", "--for=condition=PodScheduled=false", "--timeout=30s")

    (why,) = (each for each in cluster.get("pod", name)["status"]["conditions"] if each["type"] == "PodScheduled")
    assert "untolerated taint" in why["message"]
    cluster.kubectl("delete", f"pod/{name}", "--wait=false")
