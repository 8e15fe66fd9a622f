from __future__ import annotations

from typing import Any

import pytest

from fairlead.errors import SpecError
from fairlead.specs.steps import Overlay
from fairlead.targets import job, pods
from fairlead.targets.restricted import annotation_faults, pod_faults
from targets.refused import PLACE, PLAIN, REFUSED, STEP, of_main, overlaid

BEYOND: dict[str, tuple[dict[str, Any], str]] = {
    "another account": ({"serviceAccountName": "admin"}, "serviceAccountName"),
    "another account by its old name": ({"serviceAccount": "admin"}, "serviceAccount"),
    "the token of its account": ({"automountServiceAccountToken": True}, "automountServiceAccountToken"),
    "that token by a volume": (
        {"volumes": [{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]},
        "volumes[t].projected.sources",
    ),
    "a node, past the scheduler": ({"nodeName": "gpu-1"}, "nodeName"),
    "another command": (of_main({"command": ["sh"]}), "containers[main].command"),
    "more words of the command": (of_main({"args": ["-x"]}), "containers[main].args"),
    "no container of the step": ({"containers": None}, "containers[main].command"),
    "another worker": ({"initContainers": [{"name": "fairlead", "command": ["true"]}]}, "initContainers[fairlead].command"),
    "endless restarts": ({"restartPolicy": "Always"}, "restartPolicy"),
    "a probe of another host": (of_main({"livenessProbe": {"httpGet": {"host": "169.254.169.254"}}}), "containers[main].livenessProbe.httpGet.host"),
    "a process of Windows' host": ({"securityContext": {"windowsOptions": {"hostProcess": True}}}, "securityContext.windowsOptions.hostProcess"),
    "no list of containers": ({"containers": "main"}, "containers"),
}  # fmt: skip


def test_what_is_made_without_overlays_is_restricted() -> None:
    assert not list(pod_faults(PLAIN, PLAIN, "pod"))


@pytest.mark.parametrize("case", REFUSED)
def test_a_step_can_not_ask_for(case: str) -> None:
    step = STEP.__class__(name="work", function="mod:work", overlays=(Overlay(kind="Pod", patch=REFUSED[case]),))
    with pytest.raises(SpecError, match=r"overlays\.Pod\."):
        pods.step_pod(PLACE, step)


@pytest.mark.parametrize("case", BEYOND)
def test_beyond_the_profile_a_step_can_not_ask_for(case: str) -> None:
    patch, field = BEYOND[case]
    assert f"pod.{field}" in {fault.path for fault in pod_faults(overlaid(patch), PLAIN, "pod")}


def test_the_same_holds_for_the_overlay_of_a_job() -> None:
    patch = {"spec": {"template": {"spec": {"hostNetwork": True}}}}
    step = STEP.__class__(name="work", function="mod:work", overlays=(Overlay(kind="Job", patch=patch),))
    with pytest.raises(SpecError, match=r"overlays\.Job\.spec\.template\.spec\.hostNetwork"):
        job.called(PLACE, step, "work", 0)


def test_two_harmless_overlays_are_refused_where_they_do_harm_together() -> None:
    beside = {"name": "beside", "image": "busybox", "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}  # fmt: skip
    assert not list(pod_faults(overlaid({"containers": [beside]}), PLAIN, "pod"))
    both = overlaid({"containers": [beside, {"name": "beside", "securityContext": {"privileged": True}}]})
    assert [fault.path for fault in pod_faults(both, PLAIN, "pod")] == [
        "pod.containers[beside].securityContext.privileged"
    ]


def test_an_annotation_can_not_lift_a_profile() -> None:
    key = "container.apparmor.security.beta.kubernetes.io/main"
    assert [fault.path for fault in annotation_faults({key: "unconfined", "a": "b"}, "at")] == [f"at.{key}"]
    assert not list(annotation_faults({key: "runtime/default"}, "at"))
