"""fairlead capacity fragmentation: on bundles of real clusters, on ones made by hand, and on a real API server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fairlead.cli.main import call
from fairlead.errors import ClusterError
from fairlead.kube.client import Client
from fairlead.kube.failures import Rule
from fairlead.kube.resources import NODE, POD, SERVICE_ACCOUNT
from fairlead.runs import contexts
from fairlead.runs.fragmenting import fragmentation_of_cluster
from fairlead.snapshots import bundles
from fairlead.snapshots.snapshot import Snapshot
from fairlead.specs.contexts import Context
from insight import pictures as p
from kube.cluster import new_namespace, user_of, write_kubeconfig
from servers.apiserver import ApiServer

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "docs" / "schemas" / "fragmentation.schema.json"
CORPUS = sorted((ROOT / "tests" / "insight" / "corpus").glob("*.tgz"))
GPU = "nvidia.com/gpu"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FAIRLEAD_CONTEXT", raising=False)


def pod(name: str, on: str = "", space: str = p.NAMESPACE, cpu: str = "2", **asked: str) -> dict[str, Any]:
    container = {"name": "main", "resources": {"requests": {"cpu": cpu, "memory": "1Gi", **asked}}}
    placed = {"nodeName": on} if on else {}
    made = p.pod(name, spec={"containers": [container], **placed}, phase="Running" if on else "Pending")
    made["metadata"]["namespace"] = space
    return made


def bundle(folder: Path, *objects: dict[str, Any]) -> str:
    file = folder / "bundle.tgz"
    bundles.write(Snapshot(p.picture().meta, objects), file)
    return str(file)


OBJECTS = (
    p.node("full-cpu", cpu="8", memory="64Gi", **{GPU: "4"}),
    p.node("half", cpu="32", memory="64Gi", **{GPU: "4"}),
    p.node("sliced", cpu="32", memory="64Gi", **{"nvidia.com/mig-1g.5gb": "7"}),
    p.node("plain", cpu="32", memory="64Gi"),
    pod("a", "full-cpu", cpu="8", **{GPU: "2"}),
    pod("b", "half", **{GPU: "2"}),
    pod("c", "plain", "others"),
    pod("d", **{GPU: "4"}),
    pod("e", **{GPU: "2"}),
)


def test_people_read_what_is_stranded_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = bundle(tmp_path, *OBJECTS)
    assert call(["capacity", "fragmentation", "--snapshot", file]) == 0
    # of four typical pods: two want 2 CPU and 2 GPUs, one 8 and 2, one 2 and 4
    assert (
        capsys.readouterr().out
        == f"""\
{file}: 15 GPUs
  GPU allocation rate   26.67 %   4 are taken
  fragmentation rate    86.36 %   9.5 of 11 free ones can't be used by the typical workload

CAUSE         GPUS
mig-profile   7     MIG slices of a profile that is not asked for
too-few-gpus  1     fewer GPUs on one node than are wanted together
no-cpu        1.5   no CPU is left beside them

NODE      MODEL           GPUS  FREE  STRANDED  WHY
sliced    mig-1g.5gb      7     7     7         mig-profile 7
full-cpu  nvidia.com/gpu  4     2     2         too-few-gpus 0.5, no-cpu 1.5
half      nvidia.com/gpu  4     2     0.5       too-few-gpus 0.5

2 pods with GPUs are pending: 1 would fit now, 1 if all free GPUs of their models were usable
"""
    )


def test_programs_read_every_field_and_causes_add_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(bundle(tmp_path, *OBJECTS, p.node("mute")), capsys)
    assert found["not_read"] == [
        {"what": "Node mute", "why": "is left out: it does not say how much CPU and memory it has for pods"}
    ]
    assert sum(each["share"] for each in found["typical"]) == pytest.approx(1)
    assert found["typical"][0] == {
        "share": 0.5, "cpu_millis": 2000, "gpus": 2, "gpu_millis": 1000, "models": ["nvidia.com/gpu"]
    }  # fmt: skip
    assert found["pending"] == {"pods": 2, "fit_now": 1, "fit_if_usable": 1}


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.stem)
def test_bundles_of_real_clusters_are_read(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(str(file), capsys)
    if found["gpu_millis"] and found["typical"]:
        assert found["fragmentation_percent"] is not None or not found["free_gpu_millis"]


def document(file: str, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return what is printed of a bundle, once it is what it must be whatever it says."""
    assert call(["capacity", "fragmentation", "--snapshot", file, "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(found)
    for each in (found, *found["nodes"]):
        assert sum(cause["gpu_millis"] for cause in each["causes"]) == each["stranded_gpu_millis"]
        assert 0 <= each["stranded_gpu_millis"] <= each["free_gpu_millis"] <= each["gpu_millis"]
    assert sum(each["free_gpu_millis"] for each in found["nodes"]) == found["free_gpu_millis"]
    return found


def test_a_cluster_without_gpus_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = bundle(tmp_path, OBJECTS[3])
    assert call(["capacity", "fragmentation", "--snapshot", file]) == 0
    assert capsys.readouterr().out == f"{file}: no node that could be read has a GPU\n"
    assert document(file, capsys)["gpu_allocation_percent"] is None


def test_where_nobody_asks_for_gpus_none_are_stranded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["capacity", "fragmentation", "--snapshot", bundle(tmp_path, OBJECTS[0])]) == 0
    assert "4 are free; no pod asks for GPUs, so that none are stranded\n" in capsys.readouterr().out


def test_many_gaps_are_cut_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = bundle(tmp_path, OBJECTS[0], *(pod(f"p{number}", "gone") for number in range(30)))
    assert call(["capacity", "fragmentation", "--snapshot", file]) == 0
    said = capsys.readouterr().out
    assert "  Pod team/p0: is on the node gone, which could not be read\n" in said
    assert "there are pods of one namespace alone" in said and "  and 11 more: -o json has them all\n" in said


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "no cluster is named"),
        (["--on", "none"], 2, "there is no context 'none'"),
        (["--snapshot", "none.tgz"], 2, "can't read the bundle none.tgz"),
    ],
)
def test_wrong_use_is_refused(capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str) -> None:
    assert call(["capacity", "fragmentation", *words]) == code
    assert said in capsys.readouterr().err


def test_a_bundle_without_nodes_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["capacity", "fragmentation", "--snapshot", bundle(tmp_path, OBJECTS[4])]) == 2
    assert "the bundle has no nodes" in capsys.readouterr().err


# A real API server ----------------------------------------------------------------------------------


@pytest.fixture
def client(api_server: ApiServer, tmp_path: Path) -> Iterator[Client]:
    """Have a namespace with a node of four GPUs, a pod on it, and a context."""
    with new_namespace(api_server) as found:
        space = found.connection.namespace
        found.create(SERVICE_ACCOUNT, {"metadata": {"name": "default"}})
        name = f"node-{space}"
        found.create(NODE, {"metadata": {"name": name, "labels": {"nvidia.com/gpu.product": "T4"}}})
        found.patch(NODE, name, {"spec": {"taints": [{"key": "own", "effect": "NoSchedule"}]}})
        status = {"allocatable": {"cpu": "8", "memory": "64Gi", "pods": "110", GPU: "4"}}
        found.patch(NODE, name, {"status": status}, subresource="status")
        container = {"name": "main", "image": "i", "resources": {"limits": {"cpu": "1", "memory": "1Gi", GPU: "1"}}}
        spec: dict[str, Any] = {"containers": [container], "nodeName": name, "tolerations": [{"operator": "Exists"}]}
        found.create(POD, {"metadata": {"name": "a"}, "spec": spec})
        found.create(POD, {"metadata": {"name": "b"}, "spec": {"containers": [container]}})
        write_kubeconfig(api_server, tmp_path / "kubeconfig")
        contexts.add(
            Context(
                name="lab", store="s3://nobody/has", image="i", worker_image="w", namespace=space,
                kubeconfig=str(tmp_path / "kubeconfig"),
            )
        )  # fmt: skip
        yield found
        found.delete(NODE, name)


@pytest.mark.apiserver
def test_a_cluster_is_asked_as_it_is_now(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["capacity", "fragmentation", "--on", "lab", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["subject"], found["gpu_millis"], found["free_gpu_millis"]) == ("lab", 4000, 3000)
    assert {each["cause"]: each["gpu_millis"] for each in found["causes"] if each["gpu_millis"]} == {
        "node-closed": 1500
    }
    assert found["pending"] == {"pods": 1, "fit_now": 0, "fit_if_usable": 1}
    assert found["nodes"][0]["model"] == "T4"


@pytest.mark.apiserver
def test_who_may_not_list_nodes_is_told_so(client: Client, api_server: ApiServer) -> None:
    user = user_of(api_server, client, (Rule("list", "", "pods"),))
    with pytest.raises(ClusterError, match="can't say which GPUs of lab are free") as refused:
        fragmentation_of_cluster(user, client.connection.namespace, "lab")
    assert refused.value.why == "you may not list its nodes"
