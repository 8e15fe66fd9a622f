"""Every example and every flow here compiles to the manifests beside it, which the real schemas accept."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from fairlead.kube.client import Client
from fairlead.kube.failures import AlreadyExists, Forbidden, Invalid
from fairlead.kube.resources import JOB, NAMESPACE, POD, SERVICE, WORKFLOW
from fairlead.specs.runtimes import RankRuntime
from fairlead.targets import pods
from fairlead.targets.restricted import pod_faults
from kube.cluster import serving_workflows
from servers.apiserver import ApiServer
from targets.goldens import FLOWS, REPOSITORY, REWRITE, compare, golden, jobs_of, read, submission, traced, workflow_of
from targets.refused import PLAIN, REFUSED, overlaid

OWN = [file for file in FLOWS if "tests" in file.parts]
KEPT = [golden(file, "workflow") for file in FLOWS] + [golden(file, "job") for file in OWN]
NEEDS = {"digits": ("numpy", "optuna"), "flights": ("pandas", "sklearn"), "driving": ("optuna",)}
_SCHEMA = REPOSITORY.parent / "shared/crds/argo-workflows-v3/argoproj.io_workflows.yaml.gz"


def _named(path: Path) -> str:
    return f"{path.parent.name}-{path.name.partition('.')[0]}"


@pytest.mark.parametrize("file", FLOWS, ids=lambda file: file.parent.name)
def test_a_flow_compiles_to_the_workflow_beside_it(file: Path) -> None:
    for library in NEEDS.get(file.parent.name, ()):
        pytest.importorskip(library, reason=f"the example needs {library}: pip install 'fairlead[examples]'")
    compare(golden(file, "workflow"), [workflow_of(traced(file))])


@pytest.mark.parametrize("file", OWN, ids=lambda file: file.parent.name)
def test_the_definitions_of_a_flow_compile_to_the_jobs_beside_it(file: Path) -> None:
    compare(golden(file, "job"), list(jobs_of(traced(file))))


def test_goldens_are_not_rewritten_on_ci(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv(REWRITE, "1")
    with pytest.raises(AssertionError, match="CI compares"):
        compare(tmp_path / "workflow.golden.yaml", [])
    assert not list(tmp_path.iterdir())


@cache
def _schema() -> Any:
    if not _SCHEMA.exists():
        pytest.skip(f"the full schema of Workflows is not there: {_SCHEMA.name}")
    found = yaml.load(gzip.decompress(_SCHEMA.read_bytes()), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return _closed(found["spec"]["versions"][0]["schema"]["openAPIV3Schema"])


def _closed(schema: Any) -> Any:
    """Return a schema of Kubernetes as JSON Schema, which refuses fields that it does not name."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    found = {name: _closed(value) for name, value in schema.items() if name != "properties"}
    if "properties" in schema:
        found["properties"] = {name: _closed(value) for name, value in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields") and "additionalProperties" not in schema:
            found["additionalProperties"] = False
    return found


@pytest.mark.parametrize("file", FLOWS, ids=lambda file: file.parent.name)
def test_the_full_schema_of_argo_accepts_the_workflow(file: Path) -> None:
    (manifest,) = read(golden(file, "workflow"))
    jsonschema.Draft4Validator(_schema()["properties"]["spec"]).validate(manifest["spec"])


@pytest.fixture(scope="module")
def cluster(api_server: ApiServer) -> Iterator[Client]:
    """A real API server that knows Workflows by their full definition, and enforces ``restricted``."""
    modules = Path.home() / "go/pkg/mod/github.com/argoproj/argo-workflows"
    found = sorted(modules.glob("v3@*/manifests/base/crds/full/argoproj.io_workflows.yaml"))
    if not found:
        pytest.skip("the definition of Workflows is not there: `python -m testbed build argo`")
    client = Client(api_server.connection(namespace="ml"))
    enforced = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"}
    with suppress(AlreadyExists):
        client.create(NAMESPACE, {"metadata": {"name": "ml", "labels": enforced}})
    with serving_workflows(client, yaml.load(found[-1].read_text("utf-8"), yaml.CSafeLoader)):
        yield client


@pytest.mark.apiserver
@pytest.mark.parametrize("path", KEPT, ids=_named)
def test_a_real_api_server_accepts_every_manifest(path: Path, cluster: Client) -> None:
    kinds = {kind.kind: kind for kind in (WORKFLOW, JOB, SERVICE)}
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
@pytest.mark.parametrize("case", REFUSED)
def test_pod_security_refuses_what_is_refused_here(case: str, cluster: Client) -> None:
    spec = overlaid(REFUSED[case])
    assert list(pod_faults(spec, PLAIN, "pod"))
    with pytest.raises((Forbidden, Invalid), match=r"violates PodSecurity|disallowed by cluster policy"):
        cluster.create(POD, {"metadata": {"generateName": "p-"}, "spec": spec}, dry_run=True)
