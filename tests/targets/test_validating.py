"""Tables of fields: they hold what an API server holds, for what is compiled here and for objects with one thing wrong."""

from __future__ import annotations

import csv
import gzip
import random
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.errors import SpecError
from fairlead.kube import resources
from fairlead.kube.client import Client
from fairlead.kube.failures import ApiError
from fairlead.kube.resources import NAMESPACE, Kind
from fairlead.specs.steps import FunctionStep, Overlay
from fairlead.targets import job, pods, validating
from fairlead.targets.overlays import overlaid
from fairlead.targets.validating import Type, object_field_faults, table_of
from kube.cluster import serving
from servers.apiserver import ApiServer
from specs.strategies import JSON
from targets.goldens import REPOSITORY, read, workflow_of
from targets.mutants import mutants, places, put
from targets.refused import PLACE
from targets.strategies import one_step

GOLDENS = sorted(
    each
    for folder in ("examples/*", "tests/targets/**")
    for each in REPOSITORY.glob(f"{folder}/*.golden.yaml")
    if each.name != "pipeline_spec.golden.yaml"  # no object of a cluster
)
TABLES = sorted((REPOSITORY / "src/fairlead/targets/fields").iterdir())
DEFINITIONS = REPOSITORY.parent / "shared/crds"
CORE = ("v1", "apps/v1", "batch/v1", "policy/v1", "rbac.authorization.k8s.io/v1")


def _named(path: Path) -> str:
    return f"{path.parent.name}-{path.name.partition('.')[0]}"


@pytest.mark.parametrize("path", GOLDENS, ids=_named)
def test_every_field_that_is_compiled_is_one_of_its_kind(path: Path) -> None:
    for manifest in read(path):
        assert table_of(manifest["apiVersion"], manifest["kind"]), f"tools/fields.py has no {manifest['kind']}"
        assert list(object_field_faults(manifest)) == []


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_a_table_can_be_read_and_names_its_source(path: Path) -> None:
    api_version, _, kind = path.stem.rpartition("_")
    table = table_of(api_version.replace("_", "/"), kind)
    assert table is not None and table.of and len(table.source.split()) == 3
    for place, each in enumerate(table.types):
        below = [*each.fields.values(), *(at for at in (each.items, each.values) if at is not None)]
        assert all(at < place for at in below)
        assert set(each.required) <= each.fields.keys()
        validating._compiled(each.pattern)
        assert isinstance(each, Type) and (each.type or each.open or not each.fields)
    assert table.types[-1].type == "object"


def test_a_kind_without_a_table_has_no_faults_and_no_file_outside_is_read() -> None:
    assert list(object_field_faults({"apiVersion": "example.dev/v1", "kind": "Thing", "spec": 1})) == []
    for api_version, kind in (("../fields/v1", "Pod"), ("v1", "../fields/v1_Pod"), ("v1", ""), ("", "Pod")):
        assert table_of(api_version, kind) is None


def _job(spec: dict[str, Any], pod: dict[str, Any] | None = None) -> dict[str, Any]:
    container = {"name": "main", "image": "python"}
    template = {"spec": {"restartPolicy": "Never", "containers": [container], **(pod or {})}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "n"}, "spec": {"template": template} | spec}


SPEC, POD = "spec", "spec.template.spec"
NO_FIELD = "there is no such field in Kubernetes v1.34.4; "


@pytest.mark.parametrize(
    ("manifest", "path", "message"),
    [
        (_job({"paralellism": 1}), f"{SPEC}.paralellism", f"{NO_FIELD}did you mean 'parallelism'?"),
        (_job({"parallelism": "1"}), f"{SPEC}.parallelism", "must be a whole number, got '1'"),
        (_job({"parallelism": True}), f"{SPEC}.parallelism", "must be a whole number, got True"),
        (_job({"parallelism": 2**31}), f"{SPEC}.parallelism", "must fit into 32 bits, got 2147483648"),
        (_job({"suspend": "no"}), f"{SPEC}.suspend", "must be true or false, got 'no'"),
        (
            _job({"podReplacementPolicy": "failed"}),
            f"{SPEC}.podReplacementPolicy",
            "unknown 'failed'; did you mean 'Failed'?",
        ),
        (_job({"template": None}), f"{SPEC}.template", "is missing"),
        (_job({}, {"containers": [{"image": "a"}]}), f"{POD}.containers[0].name", "is missing"),
        (_job({}, {"containers": {}}), f"{POD}.containers", "must be a list, got a mapping"),
        (_job({}, {"tolerations": [None]}), f"{POD}.tolerations[0]", "must be a mapping, got nothing"),
        (
            _job({}, {"containers": [{"name": "main", "env": [{"name": "A", "valu": "1"}]}]}),
            f"{POD}.containers[main].env[A].valu",
            f"{NO_FIELD}did you mean 'value' or 'valueFrom'?",
        ),
    ],
)
def test_a_fault_has_the_path_of_its_field_and_says_what_it_must_be(manifest: Any, path: str, message: str) -> None:
    assert [(each.path, each.message) for each in object_field_faults(manifest)] == [(path, message)]


def test_quantities_moments_and_metadata_are_held_against_their_forms() -> None:
    limits = {"cpu": 1, "memory": "1Gi", "nvidia.com/gpu": "one", "ephemeral-storage": 0.5}
    found = _job({}, {"containers": [{"name": "main", "resources": {"limits": limits}}]})
    found["metadata"] |= {"lables": {}, "creationTimestamp": "yesterday", "labels": {"a": 1, "b": None}}
    faults = {each.path: each.message for each in object_field_faults(found, "it")}
    assert faults.keys() == {
        "it.spec.template.spec.containers[main].resources.limits.nvidia.com/gpu", "it.metadata.lables",
        "it.metadata.creationTimestamp", "it.metadata.labels.a",
    }  # fmt: skip
    assert faults["it.metadata.creationTimestamp"] == "must have the form of date-time, got 'yesterday'"
    assert faults["it.metadata.lables"].endswith("did you mean 'labels'?")


def test_items_that_their_kind_tells_apart_are_there_once() -> None:
    job_of = {"name": "node", "template": {"spec": {"template": {"spec": {"containers": [{"name": "main"}]}}}}}
    found = {"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "spec": {"replicatedJobs": [job_of, job_of]}}
    assert [(each.path, each.message) for each in object_field_faults(found)] == [
        ("spec.replicatedJobs[1]", "is there twice, by name")
    ]


@st.composite
def changed(draw: st.DrawFn) -> dict[str, Any]:
    manifest = draw(st.sampled_from(_compiled()))
    found: dict[str, Any] = put(manifest, draw(st.sampled_from(places(manifest))), draw(JSON))
    return found


@settings(max_examples=200, deadline=None)
@given(changed())
def test_whatever_an_object_holds_it_can_be_checked(manifest: dict[str, Any]) -> None:
    for fault in object_field_faults(manifest):
        assert fault.path and fault.message


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(TABLES), JSON)
def test_whatever_the_spec_of_any_kind_is_it_can_be_checked(path: Path, spec: Any) -> None:
    api_version, _, kind = path.stem.rpartition("_")
    manifest = {"apiVersion": api_version.replace("_", "/"), "kind": kind, "metadata": spec, "spec": spec}
    assert list(object_field_faults(manifest)) == list(object_field_faults(manifest))


# Overlays ------------------------------------------------------------------------------------


def _step(kind: str, patch: dict[str, Any]) -> FunctionStep:
    return FunctionStep(name="work", function="mod:work", overlays=(Overlay(kind=kind, patch=patch),))


def test_a_misspelt_field_of_a_pod_is_refused_with_what_was_meant() -> None:
    with pytest.raises(SpecError) as refused:
        pods.step_pod(PLACE, _step("Pod", {"tolerations": [{"key": "gpu", "operatr": "Exists"}], "hostNetwork": True}))
    assert str(refused.value) == (
        "step 'work' asks for a Pod that can't be on a cluster\n"
        "  overlays.Pod.hostNetwork: a pod of a run has no part of its node\n"
        "  overlays.Pod.tolerations[0].operatr: "
        "there is no such field in Kubernetes v1.34.4; did you mean 'operator'?\n"
        "  next   correct these fields of its overlays, or leave them out"
    )


@pytest.mark.parametrize(
    ("patch", "path", "why"),
    [
        ({"spec": {"backofLimit": 1}}, "spec.backofLimit", "did you mean 'backoffLimit' or"),
        ({"spec": {"ttlSecondsAfterFinished": "1h"}}, "spec.ttlSecondsAfterFinished", "must be a whole number"),
        ({"metadata": {"annotations": "none"}}, "metadata.annotations", "must be a mapping"),
        ({"spec": {"template": {"spec": {"dnsPolicy": "first"}}}}, "spec.template.spec.dnsPolicy", "unknown 'first'"),
    ],
)
def test_a_wrong_field_of_a_job_is_refused_once(patch: dict[str, Any], path: str, why: str) -> None:
    with pytest.raises(SpecError) as refused:
        job.called(PLACE, _step("Job", patch), "work", 0)
    (fault,) = refused.value.faults
    assert fault.path == f"overlays.Job.{path}"
    assert why in fault.message


@pytest.mark.parametrize(
    ("patch", "path", "why"),
    [
        ({"spec": {"paralelism": 3}}, "spec.paralelism", "in Argo Workflows v3.7.18; did you mean 'parallelism'?"),
        ({"spec": {"podGC": {"strategy": 7}}}, "spec.podGC.strategy", "must be a text, got 7"),
        ({"spec": {"podMetadata": {"annotations": "none"}}}, "spec.podMetadata.annotations", "must be a mapping"),
    ],
)
def test_a_wrong_field_of_a_workflow_is_refused_once(patch: dict[str, Any], path: str, why: str) -> None:
    with pytest.raises(SpecError) as refused:
        workflow_of(one_step(_step("Workflow", patch)))
    (fault,) = refused.value.faults
    assert fault.path == f"overlays.Workflow.{path}"
    assert why in fault.message


def test_what_an_overlay_of_pods_brings_into_an_object_without_such_a_field_is_refused_there() -> None:
    made = _job({}, {"runtimeClas": "gvisor"})
    with pytest.raises(SpecError) as refused:
        overlaid(_step("Pod", {"runtimeClas": "gvisor"}), made, ("spec", "template"), frozenset())
    assert [each.path for each in refused.value.faults] == ["Job.spec.template.spec.runtimeClas"]


# The real server -----------------------------------------------------------------------------


@cache
def _compiled() -> list[dict[str, Any]]:
    return [manifest for path in GOLDENS for manifest in read(path)]


def _definitions() -> dict[Kind, dict[str, Any]]:
    """Return the definitions, whole, of the kinds of components that goldens have; of one in two versions, the first."""
    if not (DEFINITIONS / "MANIFEST.tsv").exists():
        pytest.skip("the definitions of components are not there")
    with open(DEFINITIONS / "MANIFEST.tsv", encoding="utf-8", newline="") as file:
        files = {
            f"{row['repo']} {row['ref']} {row['path']}": row["file"] for row in csv.DictReader(file, delimiter="\t")
        }
    found: dict[str, tuple[Kind, dict[str, Any]]] = {}
    for api_version, name in sorted({(each["apiVersion"], each["kind"]) for each in _compiled()}):
        table = table_of(api_version, name)
        assert table is not None
        if table.source in files and table.source.endswith(".yaml"):
            data = (DEFINITIONS / files[table.source]).read_bytes()
            text = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
            definition = next(filter(None, yaml.load_all(text, yaml.CSafeLoader)))
            spec, (group, _, version) = definition["spec"], api_version.partition("/")
            spec.pop("conversion", None)  # by a webhook, which nothing serves here
            kind = Kind(group, version, name, spec["names"]["plural"], spec["scope"] == "Namespaced")
            found.setdefault(definition["metadata"]["name"], (kind, definition))
    return dict(found.values())


@pytest.fixture(scope="module")
def cluster(api_server: ApiServer) -> Iterator[tuple[Client, set[Kind]]]:
    """A real API server with the full definitions of the kinds of the goldens, and the kinds that it does not have."""
    client = Client(api_server.connection(namespace="fields"))
    client.create(NAMESPACE, {"metadata": {"name": "fields"}})
    definitions = _definitions()
    with serving(client, definitions):
        yield client, set(definitions)


def _is_refused(client: Client, kind: Kind, manifest: dict[str, Any]) -> str:
    try:
        client.create(kind, manifest, dry_run=True)
    except ApiError as refusal:
        return str(refusal)
    return ""


@pytest.mark.apiserver
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_real_api_server_and_the_tables_agree_on_objects_with_one_thing_wrong(cluster: Any) -> None:
    client, custom = cluster
    kinds = {(each.api_version, each.kind): each for each in vars(resources).values() if isinstance(each, Kind)}
    kinds = {key: kind for key, kind in kinds.items() if key[0] in CORE} | {
        (each.api_version, each.kind): each for each in custom
    }
    served = [each for each in _compiled() if (each["apiVersion"], each["kind"]) in kinds]
    chance, agreed, differing = random.Random(20261127), Counter[str](), []
    for _ in range(300):
        manifest = chance.choice(served)
        kind = kinds[manifest["apiVersion"], manifest["kind"]]
        (mutant,) = mutants(manifest, chance, 1)
        metadata = {**mutant.manifest["metadata"], "namespace": "fields" if kind.namespaced else None}
        ours = [str(each) for each in object_field_faults(mutant.manifest)]
        theirs = _is_refused(client, kind, {**mutant.manifest, "metadata": metadata})
        agreed["both" if ours and theirs else "tables" if ours else "server" if theirs else "neither"] += 1
        if ours and not theirs and (kind in custom or not all(map(_is_stricter_here, ours))):
            differing.append(f"accepted, {mutant.change}: {ours}")
        if theirs and not ours and not _is_of_another_rule(theirs, kind in custom):
            differing.append(f"refused, {mutant.change}: {theirs}")
    print(dict(agreed))
    assert agreed["both"] > 100 and agreed["neither"] > 50
    assert not differing, "\n".join(differing)


def _is_stricter_here(fault: str) -> bool:
    """Say whether Kubernetes makes something of nothing: a null in a list is empty, and what is missing has a default."""
    return fault.endswith(("is missing", "got nothing"))


def _is_of_another_rule(refusal: str, is_custom: bool) -> bool:
    """Say whether an object has fields that it can have, with values of their types: Kubernetes has rules of its own
    beyond, and a definition may have some in CEL."""
    schema = ("in body", "Required value", "Unsupported value", "Duplicate value")
    return "[API 422 Invalid]" in refusal and not (is_custom and any(each in refusal for each in schema))
