from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.errors import SpecError
from fairlead.specs.runtimes import Role, Torch
from fairlead.specs.steps import DriverStep, FunctionStep, Overlay, SweepStep, Volume
from fairlead.targets import job, naming, pods
from fairlead.targets.refusals import step_refusals
from fairlead.targets.restricted import pod_faults
from fairlead.targets.training import indexed_job
from fairlead.targets.training.target import Gang
from targets.refused import PLACE, STEP
from targets.strategies import NAMES, STEPS

GANG = FunctionStep(
    name="fit", function="mod:fit", runtime=Torch(nodes=3), volumes=(Volume(name="v", path="/v", claim="v"),)
)
QUEUED = msgspec.structs.replace(PLACE, context=msgspec.structs.replace(PLACE.context, queue="team"))
NAME = re.compile(r"[a-z]([-a-z0-9]{0,51}[a-z0-9])?")
instances = st.tuples(NAMES, st.integers(0, 99_999), st.none() | st.integers(1, 99), st.integers(1, 99))


def name_of(instance: tuple[str, int, int | None, int]) -> str:
    step, index, number, generation = instance
    place = msgspec.structs.replace(PLACE, run="20261123-141256-k3f9x", generation=generation)
    return naming.job_name(place, step, *((index,) if number is None else (index, number)))


@settings(max_examples=200)
@given(st.sets(instances, min_size=2, max_size=8))
def test_different_steps_indexes_attempts_and_generations_have_different_names(found: set[Any]) -> None:
    names = [name_of(each) for each in found]
    assert len(set(names)) == len(names)
    assert all(map(NAME.fullmatch, names))


@pytest.mark.parametrize(
    ("first", "second"),
    [(("a-1", 2, None, 1), ("a", 1, 2, 1)), (("A", 0, None, 1), ("a", 0, None, 1)), (("a_b", 0, None, 1), ("a-b", 0, None, 1))],
)  # fmt: skip
def test_names_that_look_alike_stay_apart(first: Any, second: Any) -> None:
    assert name_of(first) != name_of(second)


@settings(max_examples=50, deadline=None)
@given(STEPS, st.integers(0, 9))
def test_every_step_compiles_to_the_same_job_every_time(step: Any, index: int) -> None:
    assert job.called(PLACE, step, step.name, index) == job.called(PLACE, step, step.name, index)


def test_a_gang_has_a_service_of_its_name_through_which_its_ranks_find_each_other() -> None:
    service, ranks = indexed_job.render(Gang(PLACE, GANG, "fit", 0, 2))
    name = service["metadata"]["name"]
    assert name == ranks["metadata"]["name"] == ranks["spec"]["template"]["spec"]["subdomain"]
    assert service["spec"]["selector"] == {"batch.kubernetes.io/job-name": name}
    assert (ranks["spec"]["completions"], ranks["spec"]["parallelism"]) == (3, 3)


def test_what_waits_for_a_gang_is_in_no_queue_and_holds_none_of_its_storage() -> None:
    waits = job.called(QUEUED, GANG, "fit", 0)
    _, ranks = indexed_job.render(Gang(QUEUED, GANG, "fit", 0, 1))
    assert pods.QUEUE not in waits["metadata"]["labels"]
    assert [each["name"] for each in waits["spec"]["template"]["spec"]["volumes"]] == ["fairlead-work", "tmp"]
    assert ranks["metadata"]["labels"][pods.QUEUE] == "team"
    assert "v" in [each["name"] for each in ranks["spec"]["template"]["spec"]["volumes"]]


def test_only_what_creates_pods_has_an_account_that_can() -> None:
    context = msgspec.structs.replace(PLACE.context, service_account="step", driver_service_account="driver")
    place = msgspec.structs.replace(PLACE, context=context)
    driver = DriverStep(name="loop", function="mod:loop")
    accounts = {
        "step": job.called(place, STEP, "work", 0), "rank": indexed_job.render(Gang(place, GANG, "fit", 0, 1))[1],
        "driver": job.called(place, driver, "loop", 0), "waits": job.called(place, GANG, "fit", 0),
    }  # fmt: skip
    found = {
        who: (pod["serviceAccountName"], pod["automountServiceAccountToken"])
        for who, manifest in accounts.items()
        for pod in [manifest["spec"]["template"]["spec"]]
    }
    assert found == {
        "step": ("step", False),
        "rank": ("step", False),
        "driver": ("driver", True),
        "waits": ("driver", True),
    }


def test_a_call_of_what_can_not_run_on_a_cluster_is_refused() -> None:
    with pytest.raises(SpecError, match=r"roles.*can't be had on a cluster yet"):
        job.called(
            PLACE, FunctionStep(name="work", function="mod:work", runtime=Torch(roles={"master": Role()})), "work", 0
        )


@settings(max_examples=50, deadline=None)
@given(STEPS, NAMES)
def test_a_pod_to_debug_in_is_the_step_s_but_for_what_runs_in_it(step: Any, name: str) -> None:
    if isinstance(step, DriverStep | SweepStep) or list(step_refusals(step)):
        return
    made = job.debugging(QUEUED, step, name, "0f1e2d", 3600)
    assert re.fullmatch(r"debug-[a-z0-9-]*[a-z0-9]", made["metadata"]["name"])
    assert len(made["metadata"]["name"]) <= naming.NAME_MAX
    pod = made["spec"]["template"]["spec"]
    like = pods.rank_pod(QUEUED, step, "s.0.1") if pods.is_gang(step) else pods.step_pod(QUEUED, step)
    (main,), (theirs,) = ([c for c in each["containers"] if c["name"] == "main"] for each in (pod, like))
    assert main["command"][-1] == "fairlead.worker.debugging.sleeping"
    assert {**main, "command": []} == {**theirs, "command": []}
    assert {**pod, "containers": []} == {**like, "containers": []}
    assert list(pod_faults(pod, pod, "spec")) == []


def test_a_pod_to_debug_in_goes_by_itself_and_waits_in_the_queue_whatever_overlays_say() -> None:
    patch = {"spec": {"activeDeadlineSeconds": 9, "backoffLimit": 3, "template": {"metadata": {"labels": {"a": "b"}}}}}
    step = msgspec.structs.replace(STEP, overlays=(Overlay(kind="Job", patch=patch),))
    made = job.debugging(QUEUED, step, "work", "0f1e2d", 3600)
    spec, labels = made["spec"], made["spec"]["template"]["metadata"]["labels"]
    assert (spec["activeDeadlineSeconds"], spec["backoffLimit"], spec["ttlSecondsAfterFinished"]) == (3600, 0, 60)
    assert (made["metadata"]["labels"][pods.QUEUE], labels["a"]) == ("team", "b")
    assert naming.NODE not in labels and naming.CALL not in made["spec"]["template"]["metadata"]["annotations"]
