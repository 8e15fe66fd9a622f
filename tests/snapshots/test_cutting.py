"""Pictures that are cut to one namespace: nothing of what others call things, or say, is left in them."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from fairlead.snapshots.cutting import cut

NAMES = st.from_regex(r"theirs-[a-z]{1,6}", fullmatch=True)
SECRETS = st.from_regex(r"theirs-[a-z]{1,6}", fullmatch=True)


@st.composite
def of_others(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(("Pod", "Workload", "LocalQueue")))
    labels, annotations = ({draw(SECRETS): draw(SECRETS)} for _ in range(2))
    metadata = {"name": draw(NAMES), "namespace": draw(NAMES), "labels": labels, "annotations": annotations}
    said = {"type": "QuotaReserved", "status": "False", "reason": "Pending", "message": f"no room for {draw(SECRETS)}"}
    spec = {
        "nodeName": "n1", "priority": 3, "queueName": draw(NAMES), "clusterQueue": "shared",
        "containers": [{"resources": {"requests": {"cpu": "1"}}}], "nodeSelector": {draw(SECRETS): draw(SECRETS)},
        "podSets": [{"template": {"metadata": {"labels": labels}}}],
    }  # fmt: skip
    status = {"conditions": [said], "phase": "Running", "message": draw(SECRETS)}
    return {"kind": kind, "metadata": metadata, "spec": spec, "status": status}


@given(st.lists(of_others(), max_size=5))
def test_what_others_call_things_is_gone_and_what_they_take_stays(theirs: list[dict[str, Any]]) -> None:
    own = {"kind": "Pod", "metadata": {"name": "mine", "namespace": "team", "labels": {"a": "b"}}}
    node = {"kind": "Node", "metadata": {"name": "n1"}, "status": {"allocatable": {"cpu": "8"}}}
    found = list(cut([own, node, *theirs], "team"))
    assert found[:2] == [own, node]
    assert b"theirs-" not in msgspec.json.encode(found)
    for before, after in zip(theirs, found[2:], strict=True):
        assert after["spec"]["nodeName"] == "n1"
        assert after["spec"]["containers"] == before["spec"]["containers"]
        assert after["status"]["conditions"][0]["status"] == "False"
    same = {(each["metadata"]["namespace"], each["metadata"]["name"]) for each in theirs}
    assert len({(each["metadata"]["namespace"], each["metadata"]["name"]) for each in found[2:]}) >= len(same)


def test_a_workload_still_stands_in_its_queue() -> None:
    queue = {"kind": "LocalQueue", "metadata": {"name": "q", "namespace": "b"}, "spec": {"clusterQueue": "shared"}}
    workload = {"kind": "Workload", "metadata": {"name": "w", "namespace": "b"}, "spec": {"queueName": "q"}}
    first, second = cut([workload, queue], "a")
    assert first["spec"]["queueName"] == second["metadata"]["name"] != "q"
    assert first["metadata"]["namespace"] == second["metadata"]["namespace"] != "b"
