"""Volumes of steps in pods, and the claims that are objects of their own."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from fairlead.kube.client import Client
from fairlead.kube.resources import PERSISTENT_VOLUME_CLAIM
from fairlead.specs.steps import Step
from fairlead.targets import naming
from fairlead.targets.pods import main_of, rank_pod
from fairlead.targets.validating import object_field_faults
from fairlead.targets.volumes import run_claims
from servers.apiserver import ApiServer
from targets.goldens import REPOSITORY, compare, golden, submission, traced, workflow_of
from targets.refused import PLACE
from targets.strategies import STEPS

FLOW = REPOSITORY / "tests/targets/flows/volumes/flow.py"


@settings(max_examples=200, deadline=None)
@given(step=STEPS)
def test_each_volume_is_in_the_pod_and_where_the_step_wants_it(step: Step) -> None:
    pod = rank_pod(PLACE, step)
    sources = {each["name"]: each for each in pod["volumes"]}
    mounted = {each["name"]: each for each in main_of(pod)["volumeMounts"]}
    claims = {each["metadata"]["name"]: each["spec"] for each in run_claims(PLACE, [step])}
    assert len(claims) == sum(each.is_of_run for each in step.volumes)
    for volume in step.volumes:
        name = naming.dns_label(volume.name)
        source, mount = sources[name], mounted[name]
        assert (mount["mountPath"], mount.get("subPath")) == (volume.path, volume.sub_path)
        assert mount.get("readOnly", False) == volume.read_only
        if volume.claim is not None:
            assert source["persistentVolumeClaim"]["claimName"] == volume.claim
        elif volume.csi is not None:
            assert source["csi"]["driver"] == volume.csi.driver
            assert source["csi"].get("volumeAttributes", {}) == volume.csi.attributes
        else:
            spec = source["ephemeral"]["volumeClaimTemplate"]["spec"] if volume.is_of_pod else (
                claims[source["persistentVolumeClaim"]["claimName"]]
            )  # fmt: skip
            assert spec["accessModes"] == [volume.access_mode] and spec.get("storageClassName") == volume.storage_class


def test_a_claim_of_a_run_is_the_same_for_whoever_submits_it_and_however_often() -> None:
    steps = traced(FLOW).steps.values()
    again = msgspec.structs.replace(
        PLACE, generation=7, user="somebody", context=msgspec.structs.replace(PLACE.context, labels={"team": "b"})
    )
    (one,), (two,) = run_claims(PLACE, steps), run_claims(again, steps)
    assert one["metadata"]["name"] == two["metadata"]["name"] == f"shared-{PLACE.run}"
    assert one["metadata"]["annotations"] == two["metadata"]["annotations"]
    assert naming.GENERATION not in two["metadata"]["labels"] and two["metadata"]["labels"]["team"] == "b"
    other = run_claims(msgspec.structs.replace(PLACE, run="20261123-141256-k3f9x"), steps)
    assert other[0]["metadata"]["name"] != one["metadata"]["name"]


def test_pods_with_storage_of_their_own_go_when_they_have_succeeded() -> None:
    graph = traced(FLOW)
    made = workflow_of(graph)
    marked = [each["name"] for each in made["spec"]["templates"] if naming.SCRATCH in _labels(each)]
    assert marked == ["prepare"]  # the pod that waits for the gang has none
    assert made["spec"]["podGC"]["labelSelector"] == {"matchLabels": {naming.SCRATCH: "true"}}
    bare = msgspec.structs.replace(
        graph, steps={key: msgspec.structs.replace(each, volumes=()) for key, each in graph.steps.items()}
    )
    assert "podGC" not in workflow_of(bare)["spec"]


def test_the_claims_of_a_flow_are_those_beside_it() -> None:
    graph = traced(FLOW)
    found = run_claims(submission(graph), graph.steps.values())
    assert [list(object_field_faults(each)) for each in found] == [[]]
    compare(golden(FLOW, "claims"), found)


@pytest.mark.apiserver
def test_the_api_server_accepts_the_claims(api_server: ApiServer) -> None:
    client = Client(api_server.connection(namespace="default"))
    for claim in run_claims(msgspec.structs.replace(PLACE, namespace="default"), traced(FLOW).steps.values()):
        accepted: dict[str, Any] = client.create(PERSISTENT_VOLUME_CLAIM, claim, dry_run=True)
        assert accepted["spec"]["accessModes"] == ["ReadWriteMany"]


def _labels(template: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = template.get("metadata", {}).get("labels", {})
    return found
