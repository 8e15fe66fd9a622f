"""Every example and every flow here compiles to the manifests beside it, which a real API server accepts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from fairlead.kube.client import Client
from fairlead.kube.failures import AlreadyExists, Forbidden, Invalid
from fairlead.kube.resources import (
    CRON_WORKFLOW,
    JOB,
    NAMESPACE,
    POD,
    RESOURCE_CLAIM_TEMPLATE,
    SERVICE,
    WORKFLOW,
    WORKFLOW_TEMPLATE,
)
from fairlead.specs.runtimes import RankRuntime
from fairlead.specs.steps import FunctionStep
from fairlead.targets import job, pods
from fairlead.targets.restricted import pod_faults
from kube.cluster import serving
from servers.apiserver import ApiServer
from targets.goldens import (
    FLOWS,
    REPOSITORY,
    REWRITE,
    compare,
    golden,
    jobs_of,
    launching,
    read,
    submission,
    traced,
    workflow_of,
)
from targets.refused import PLAIN, REFUSED, overlaid

OWN = [file for file in FLOWS if "tests" in file.parts]
CALLED = [file for file in OWN if file.parent.name != "training"]  # whose jobs are its gangs: targets/training
LAUNCHING = {target: REPOSITORY / f"tests/targets/flows/mapping/{target}.golden.yaml" for target in launching()}
DESCRIBED = REPOSITORY / "tests/targets/flows/accelerators/described.golden.yaml"  # made in test_hardware.py
KEPT = (
    [golden(file, "workflow") for file in FLOWS]
    + [golden(file, "job") for file in CALLED]
    + [*LAUNCHING.values(), DESCRIBED]
)
ARGO = (WORKFLOW, WORKFLOW_TEMPLATE, CRON_WORKFLOW)
NEEDS = {"digits": ("numpy", "optuna"), "flights": ("pandas", "sklearn"), "driving": ("optuna",)}


def _named(path: Path) -> str:
    return f"{path.parent.name}-{path.name.partition('.')[0]}"


@pytest.mark.parametrize("file", FLOWS, ids=lambda file: file.parent.name)
def test_a_flow_compiles_to_the_workflow_beside_it(file: Path) -> None:
    for library in NEEDS.get(file.parent.name, ()):
        pytest.importorskip(library, reason=f"the example needs {library}: pip install 'fairlead[examples]'")
    compare(golden(file, "workflow"), [workflow_of(traced(file))])


@pytest.mark.parametrize("file", CALLED, ids=lambda file: file.parent.name)
def test_the_definitions_of_a_flow_compile_to_the_jobs_beside_it(file: Path) -> None:
    compare(golden(file, "job"), list(jobs_of(traced(file))))


@pytest.mark.parametrize("target", LAUNCHING)
def test_what_launches_a_flow_compiles_to_the_object_beside_it(target: str) -> None:
    compare(LAUNCHING[target], [launching()[target]])


def test_goldens_are_not_rewritten_on_ci(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv(REWRITE, "1")
    with pytest.raises(AssertionError, match="CI compares"):
        compare(tmp_path / "workflow.golden.yaml", [])
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def cluster(api_server: ApiServer) -> Iterator[Client]:
    """A real API server that knows Argo's kinds by their full definitions, and enforces ``restricted``."""
    modules = Path.home() / "go/pkg/mod/github.com/argoproj/argo-workflows"
    folders = sorted(modules.glob("v3@*/manifests/base/crds/full"))
    if not folders:
        pytest.skip("the definition of Workflows is not there: `python -m testbed build argo`")
    files = [folders[-1] / f"argoproj.io_{kind.plural}.yaml" for kind in ARGO]
    client = Client(api_server.connection(namespace="ml"))
    enforced = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"}
    with suppress(AlreadyExists):
        client.create(NAMESPACE, {"metadata": {"name": "ml", "labels": enforced}})
    definitions = {
        kind: yaml.load(file.read_text("utf-8"), yaml.CSafeLoader) for kind, file in zip(ARGO, files, strict=True)
    }
    with serving(client, definitions):
        yield client


@pytest.mark.apiserver
@pytest.mark.parametrize("path", KEPT, ids=_named)
def test_a_real_api_server_accepts_every_manifest(path: Path, cluster: Client) -> None:
    kinds = {kind.kind: kind for kind in (*ARGO, JOB, RESOURCE_CLAIM_TEMPLATE, SERVICE)}
    for manifest in read(path):
        created = cluster.create(kinds[manifest["kind"]], manifest, dry_run=True)
        assert created["metadata"]["name"] == manifest["metadata"]["name"]


@pytest.mark.apiserver
@pytest.mark.parametrize("file", OWN, ids=lambda file: file.parent.name)
def test_pod_security_admits_every_pod_of_a_run_in_a_restricted_namespace(file: Path, cluster: Client) -> None:
    graph = traced(file)
    place = submission(graph)
    specs = [pods.step_pod(place, each) for each in graph.steps.values()]
    specs += [
        pods.rank_pod(place, each, "s.0.1") for each in graph.steps.values() if isinstance(each.runtime, RankRuntime)
    ]
    specs += [pods.layer_pod(place, "image:1", "--step=s")]
    for spec in specs:
        spec.pop("priorityClassName", None)  # an object of the cluster, which this one has not
        spec.pop("runtimeClassName", None)
        cluster.create(POD, {"metadata": {"generateName": "p-"}, "spec": spec}, dry_run=True)


@pytest.mark.apiserver
@pytest.mark.parametrize("file", OWN, ids=lambda file: file.parent.name)
def test_a_pod_to_debug_any_step_in_is_admitted_too(file: Path, cluster: Client) -> None:
    graph = traced(file)
    place = submission(graph)
    for step in (each for each in graph.steps.values() if isinstance(each, FunctionStep)):
        made = job.debugging(place, step, step.name, "0f1e2d", 3600)
        cluster.create(JOB, {**made, "metadata": {**made["metadata"], "namespace": "ml"}}, dry_run=True)
        spec = {**made["spec"]["template"]["spec"]}
        spec.pop("priorityClassName", None)
        spec.pop("runtimeClassName", None)
        cluster.create(POD, {"metadata": {"generateName": "p-"}, "spec": spec}, dry_run=True)


@pytest.mark.apiserver
@pytest.mark.parametrize("case", REFUSED)
def test_pod_security_refuses_what_is_refused_here(case: str, cluster: Client) -> None:
    spec = overlaid(REFUSED[case])
    assert list(pod_faults(spec, PLAIN, "pod"))
    with pytest.raises((Forbidden, Invalid), match=r"violates PodSecurity|disallowed by cluster policy"):
        cluster.create(POD, {"metadata": {"generateName": "p-"}, "spec": spec}, dry_run=True)
