"""What launches a published flow is a function of the launch, as restricted as every pod, and no object of a run."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.engines.kubernetes.inside.launching import main
from fairlead.specs.contexts import Context, Launch
from fairlead.targets import cron_workflow, naming, workflow_template
from fairlead.targets.restricted import pod_faults
from targets.goldens import CONTEXT, LAUNCH, SCHEDULE
from targets.strategies import OBJECTS

LAUNCHES = st.builds(
    Launch,
    name=OBJECTS,
    flow=OBJECTS,
    digest=st.text("0123456789abcdef", min_size=64, max_size=64),
    context=st.builds(
        Context, name=OBJECTS, store=st.just("s3://b/p"), worker_image=OBJECTS, priority=st.just("") | OBJECTS,
        user=st.none() | st.integers(1, 9999),
    ),
    labels=st.dictionaries(OBJECTS, OBJECTS, max_size=3),
    use_cache=st.booleans(),
)  # fmt: skip


@given(LAUNCHES)
def test_the_pod_is_told_the_whole_launch_and_nothing_that_argo_would_replace(launch: Launch) -> None:
    (template,) = workflow_template.render(launch, "ns")["spec"]["templates"]
    *_, workflow, told, work = template["container"]["command"]
    assert (workflow, work) == ("--workflow={{workflow.name}}", "--work=/fairlead-work")
    assert "{{" not in told
    assert msgspec.json.decode(told.removeprefix("--launch="), type=Launch) == launch


@given(LAUNCHES)
def test_the_pod_is_restricted(launch: Launch) -> None:
    spec = workflow_template.render(launch, "ns")["spec"]
    (template,) = spec["templates"]
    pod = {
        "containers": [{"name": "main", **template["container"]}],
        "volumes": template["volumes"],
        "securityContext": spec["securityContext"],
    }
    assert [fault for fault in pod_faults(pod, pod, "pod") if "automount" not in fault.path] == []


@given(LAUNCHES)
def test_equal_launches_compile_to_equal_bytes(launch: Launch) -> None:
    again = msgspec.json.decode(msgspec.json.encode(launch), type=Launch)
    assert naming.as_json(workflow_template.render(launch, "ns")) == naming.as_json(
        workflow_template.render(again, "ns")
    )


def test_nothing_of_it_has_the_label_by_which_a_run_is_found() -> None:
    for manifest in (workflow_template.render(LAUNCH, "ml"), cron_workflow.render(LAUNCH, SCHEDULE, "ml")):
        assert f'"{naming.RUN}"' not in naming.as_json(manifest).decode()


def test_the_driver_s_account_launches_and_the_steps_account_reports() -> None:
    spec = workflow_template.render(LAUNCH, "ml")["spec"]
    (template,) = spec["templates"]
    assert (template["serviceAccountName"], template["automountServiceAccountToken"]) == ("driver", True)
    assert spec["executor"] == {"serviceAccountName": "step"}


def test_a_workflow_that_launches_once_is_of_the_template_and_has_a_digest() -> None:
    template = workflow_template.render(LAUNCH, "ml")
    manifest = workflow_template.launched(template, "mapping-x")
    assert manifest["spec"] == {"workflowTemplateRef": {"name": "mapping"}}
    assert manifest["metadata"]["namespace"] == "ml"
    assert manifest["metadata"]["labels"] == template["metadata"]["labels"]
    assert manifest["metadata"]["annotations"][naming.ORDER]


@pytest.mark.parametrize("suspended", [True, False])
def test_a_schedule_says_whether_it_is_suspended_only_where_it_is(suspended: bool) -> None:
    schedule = msgspec.structs.replace(SCHEDULE, suspended=suspended)
    assert ("suspend" in cron_workflow.render(LAUNCH, schedule, "ml")["spec"]) is suspended


def test_a_pod_outside_of_a_cluster_launches_nothing(capsys: pytest.CaptureFixture[str], tmp_path) -> None:
    launch = naming.as_json(msgspec.structs.replace(LAUNCH, context=CONTEXT)).decode()
    assert main(["--workflow=w", f"--launch={launch}", f"--work={tmp_path}"]) == 87
    assert "is not a pod with a service account" in capsys.readouterr().err
