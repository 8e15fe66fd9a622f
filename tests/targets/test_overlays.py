from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import SpecError
from fairlead.specs.steps import FunctionStep, Overlay
from fairlead.targets import templates
from fairlead.targets.overlays import merged, object_faults
from specs.strategies import JSON
from targets.goldens import workflow_of
from targets.refused import PLACE, STEP
from targets.strategies import one_step

MAPPINGS = st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)


@given(MAPPINGS)
def test_a_patch_of_nothing_changes_nothing(made: dict[str, Any]) -> None:
    assert merged(made, {}) == made


@given(MAPPINGS, MAPPINGS)
def test_a_patch_merged_twice_is_merged_once(made: dict[str, Any], patch: dict[str, Any]) -> None:
    once = merged(made, patch)
    assert merged(once, patch) == once


@given(MAPPINGS, MAPPINGS)
def test_nothing_is_changed_in_place(made: dict[str, Any], patch: dict[str, Any]) -> None:
    before = repr((made, patch))
    merged(made, patch)
    assert repr((made, patch)) == before


def test_lists_of_named_items_are_merged_by_name_and_others_replaced() -> None:
    made = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}], "args": ["a"]}
    assert merged(made, {"env": [{"name": "B", "value": "3"}, {"name": "C"}], "args": ["b"]}) == {
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "3"}, {"name": "C"}], "args": ["b"],
    }  # fmt: skip


def test_null_removes() -> None:
    assert merged({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}) == {"a": {"c": 2}}


def test_an_object_can_be_changed_where_it_is_open_and_labels_added_to() -> None:
    made = {"metadata": {"name": "n", "labels": {"own": "1"}}, "spec": {"parallelism": 1, "hooks": {}}}
    opened = frozenset({"metadata.labels", "spec.parallelism"})
    fine = merged(made, {"metadata": {"labels": {"more": "2"}}, "spec": {"parallelism": 2}})
    assert not list(object_faults(fine, made, opened, "at"))
    wrong = merged(made, {"metadata": {"name": "m", "labels": {"own": None}}, "spec": {"hooks": {"exit": {}}}})
    assert [each.path for each in object_faults(wrong, made, opened, "at")] == [
        "at.metadata.labels.own", "at.metadata.name", "at.spec.hooks.exit",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"spec": {"podSpecPatch": '{"hostNetwork":true}'}}, "spec.podSpecPatch"),
        ({"spec": {"hostNetwork": True}}, "spec.hostNetwork"),
        ({"spec": {"serviceAccountName": "admin"}}, "spec.serviceAccountName"),
        ({"spec": {"securityContext": {"runAsNonRoot": False}}}, "spec.securityContext.runAsNonRoot"),
        ({"spec": {"templates": [{"name": "load", "podSpecPatch": "{}"}]}}, "spec.templates"),
        ({"spec": {"templateDefaults": {"container": {"command": ["sh"]}}}}, "spec.templateDefaults"),
        ({"spec": {"executor": {"serviceAccountName": "admin"}}}, "spec.executor.serviceAccountName"),
        (
            {"spec": {"podMetadata": {"labels": {"fairlead.dev/run": "other"}}}},
            "spec.podMetadata.labels.fairlead.dev/run",
        ),
        ({"metadata": {"namespace": "kube-system"}}, "metadata.namespace"),
        ({"kind": "CronWorkflow"}, "kind"),
    ],
)
def test_an_overlay_of_the_workflow_can_not_change(patch: dict[str, Any], field: str) -> None:
    step = FunctionStep(name="work", function="mod:work", overlays=(Overlay(kind="Workflow", patch=patch),))
    with pytest.raises(SpecError) as refused:
        workflow_of(one_step(step))
    assert [each.path for each in refused.value.faults] == [f"overlays.Workflow.{field}"]


def test_what_argo_has_no_field_for_becomes_a_patch_of_the_pod() -> None:
    patch = {"runtimeClassName": "gvisor", "schedulerName": "other", "terminationGracePeriodSeconds": 60}
    step = FunctionStep(name="work", function="mod:work", overlays=(Overlay(kind="Pod", patch=patch),))
    template = templates.step(PLACE, "work", step, [])
    assert template["schedulerName"] == "other"
    assert template["podSpecPatch"] == '{"runtimeClassName":"gvisor","terminationGracePeriodSeconds":60}'
    assert "podSpecPatch" not in templates.step(PLACE, "work", STEP, [])
