"""What every target of steps with ranks holds to, whatever it creates."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import fairlead.targets.training.table as table
from fairlead.errors import SpecError, UsageError
from fairlead.specs.hardware import Advertised, Hardware, hardware_faults
from fairlead.specs.runtimes import ClusterRuntime, Dask, Jax, Mpi, Ray, Spark, TensorFlow, Torch, XGBoost, kind_of
from fairlead.specs.steps import FunctionStep, Overlay, Step
from fairlead.targets import naming, pods
from fairlead.targets.hardware import by_role, claims
from fairlead.targets.refusals import placing_refusals, step_refusals
from fairlead.targets.restricted import pod_faults
from fairlead.targets.training import conditions, dask_job, ray_job, spark_application
from fairlead.targets.training.target import Gang, State, Target
from fairlead.targets.validating import object_field_faults
from fairlead.targets.volumes import DELIVERY
from specs.strategies import roles
from targets.goldens import compare
from targets.refused import PLACE
from targets.strategies import FUNCTION_STEPS, NAMES
from targets.training.gangs import compiled, gangs, golden_of, is_of_a_node, templates

TARGETS = list(table.targets().values())
BYTES_MAX = 256 << 10
HOST = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_gangs_compile_to_the_objects_beside_their_flow(target: Target) -> None:
    compare(golden_of(target), compiled(target))


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_last_object_is_the_one_that_is_waited_for_and_all_are_of_the_kinds_it_names(target: Target) -> None:
    kinds = {(each.api_version, each.kind) for each in target.resources}
    for gang in gangs(target):
        made = target.render(gang)
        assert made[-1]["kind"] == target.awaited.kind
        assert {(each["apiVersion"], each["kind"]) for each in made} <= kinds
        assert all(each["metadata"]["annotations"][naming.GANG] == gang.attempt for each in made)
        assert all(each["metadata"]["namespace"] == gang.submission.namespace for each in made)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_worker_s_image_is_mounted_where_the_schema_of_a_kind_has_such_volumes_and_else_the_worker_is_copied(
    target: Target,
) -> None:
    for gang in gangs(target):
        kind = kind_of(gang.step.runtime)
        context = msgspec.structs.replace(gang.submission.context, delivery="volume")
        submission = msgspec.structs.replace(gang.submission, context=context, targets={kind: target.name})
        asked = dataclasses.replace(gang, submission=submission)
        assert any(each for made in target.render(asked) for each in object_field_faults(made)) != target.mounts_images
        made = table.render(asked)
        assert not any(each for one in made for each in object_field_faults(one))
        volumes = [each for one in templates(made) for each in one["spec"]["volumes"] if each["name"] == DELIVERY]
        assert volumes and all(("image" in each) == target.mounts_images for each in volumes)


COUNTS = st.integers(1, 500)
RANKS = {"nodes": COUNTS, "processes_per_node": st.integers(1, 8)}
GANGS: dict[str, st.SearchStrategy[Any]] = {
    "torch": st.builds(Torch, **RANKS) | st.builds(Torch, **RANKS | {"nodes": st.integers(4, 500), "nodes_min": st.integers(1, 4)}),
    "jax": st.builds(Jax, **RANKS),
    "tensorflow": st.builds(TensorFlow, **RANKS),
    "mpi": st.builds(Mpi, **RANKS),
    "xgboost": st.builds(XGBoost, **RANKS),
    "ray": st.builds(Ray, workers=COUNTS, roles=roles("ray")),
    "spark": st.builds(Spark, executors=COUNTS, roles=roles("spark")),
    "dask": st.builds(Dask, workers=COUNTS, roles=roles("dask")),
}  # fmt: skip
NETWORK = {
    "per_device": {"rdma/hca": 1}, "per_node": {"hugepages-2Mi": "64Mi"},
    "gangs": {"per_node": {"vpc.amazonaws.com/efa": 8}, "annotations": {"k8s.v1.cni.cncf.io/networks": "rdma"}},
}  # fmt: skip
HARDWARE: dict[str, dict[str, Any]] = {
    "nothing said": {},
    "device plugins": {"labels": {"pool": ["a", "b"]}, "tolerations": [{"key": "team"}]},
    "claims": {"device_class": "gpu.nvidia.com"},
    "claims of products, and a network": {"device_class": "a", "products": ["NVIDIA A"], "selectors": ["true"], **NETWORK},
    "MIG counted as cards": {"mig": "single", "products": ["NVIDIA A"]},
    "time-slicing": {"sharing": "time-slicing", "products": ["NVIDIA A"]},
    "MPS": {"sharing": "mps", "resource": "nvidia.com/gpu.shared"},
    "parts of chips": {"resource": "aws.amazon.com/neuroncore", "units": 2},
    "a network": NETWORK,
}  # fmt: skip
"""What a cluster's hardware may be like; said of each accelerator that a step asks for, of which it can be said."""


def described(steps: Iterable[Step], fields: dict[str, Any]) -> Hardware | None:
    """Return hardware that has all that some steps ask for."""
    asked = [found for each in steps if (found := each.resources.accelerator)]
    names = {
        f"{each.model.name}-MIG-{each.mig_profile.name}" if each.mig_profile else each.model.name for each in asked
    }
    each_alone = (msgspec.convert({"accelerators": {name: fields}}, Hardware) for name in sorted(names))
    found = [each.accelerators for each in each_alone if not any(hardware_faults(each))]
    others = {name: Advertised() for name in names}
    return Hardware(accelerators={name: each for known in (others, *found) for name, each in known.items()})


@st.composite
def gangs_of_any_step(draw: st.DrawFn, kinds: frozenset[str]) -> Gang:
    step = msgspec.structs.replace(
        draw(FUNCTION_STEPS),
        runtime=draw(st.one_of(GANGS[each] for each in sorted(kinds))),
    )
    context = msgspec.structs.replace(
        PLACE.context, hardware=described(by_role(step).values(), HARDWARE[draw(st.sampled_from(sorted(HARDWARE)))])
    )
    place = msgspec.structs.replace(PLACE, context=context)
    return Gang(place, step, draw(NAMES), draw(st.integers(0, 9_999)), 1)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_what_is_not_refused_compiles_whatever_the_hardware_nothing_is_dropped_and_every_pod_stays_restricted(
    target: Target, data: st.DataObject
) -> None:
    """Each field of the spec stands in a pod, or the target, or every cluster, refuses it."""
    gang = data.draw(gangs_of_any_step(target.runtimes))
    step, context = gang.step, gang.submission.context
    assume(not [*step_refusals(step), *placing_refusals(step, context), *target.faults(step)])
    made = target.render(gang)
    text = naming.as_json(made)
    assert len(text) <= BYTES_MAX and target.render(gang) == made
    found = [each for manifest in made for each in templates(manifest)]
    assert sum(_pods(manifest) for manifest in made) >= _nodes(step)
    like = [pods.rank_pod(gang.submission, each, f"--task={gang.attempt}") for each in by_role(step).values()]
    claimed = {each["metadata"]["name"] for each in claims(gang.submission, [step])}
    for template in found:
        spec = template["spec"]
        assert list(pod_faults(spec, spec, "spec")) == []
        assert template["metadata"]["labels"].items() >= pods.step_labels(step).items()
        assert template["metadata"]["annotations"][naming.GANG] == gang.attempt
        assert {each["resourceClaimTemplateName"] for each in spec.get("resourceClaims", ())} <= claimed
    for template in filter(is_of_a_node, found):
        _holds_all(template, like, but=_OWN.get(target.name, ()))


def _holds_all(template: dict[str, Any], like: list[dict[str, Any]], but: Iterable[str]) -> None:
    """Hold the pod of a node against that of a rank with the same resources."""
    spec = template["spec"]
    name = template["metadata"]["annotations"].get(pods.CONTAINER, pods.MAIN)
    main = next(each for each in spec["containers"] if each["name"] == name)
    same = [
        each
        for each in like
        if (pods.main_of(each)["resources"], each["volumes"]) == (main["resources"], spec["volumes"])
    ]
    assert same, "no role has such resources"
    theirs = pods.main_of(same[0])
    for field in ("image", "volumeMounts", "securityContext", "envFrom"):
        assert main.get(field) == theirs.get(field), field
    assert {_named(each) for each in theirs["env"]} <= {_named(each) for each in main["env"]}
    for field in same[0].keys() - {"containers", "subdomain", "initContainers", *but}:
        assert spec[field] == same[0][field], field
    assert [each for each in spec["initContainers"] if each["name"] != "code"] == same[0]["initContainers"]


_OWN = {
    "daskjob": ["restartPolicy"],  # its operator makes Deployments of them
    "sparkapplication": ["serviceAccountName", "automountServiceAccountToken"],  # its driver creates its executors
}
"""What the pods of some targets must have otherwise than the pod of a rank."""


def _nodes(step: Step) -> int:
    """Return how many pods there are of the role that has most."""
    runtime = step.runtime
    return max(runtime.nodes_by_role.values()) if isinstance(runtime, ClusterRuntime) else runtime.nodes


def _named(variable: dict[str, Any]) -> str:
    return str(variable["name"])


def _pods(found: Any) -> int:
    """Return how many pods an object has, by the counts that stand beside its templates."""
    text = naming.as_json(found).decode()
    return sum(map(int, re.findall(r'"(?:completions|replicas|numNodes|instances)":(\d+)', text)))


@settings(max_examples=100, deadline=None)
@given(NAMES, st.integers(0, 9_999), st.integers(1, 99), st.integers(1, 99))
def test_names_leave_room_for_those_of_their_pods(name: str, index: int, number: int, generation: int) -> None:
    place = msgspec.structs.replace(PLACE, run="20261123-141256-k3f9x", generation=generation)
    gang = Gang(place, FunctionStep(name="s", function="m:f", runtime=Torch(nodes=2)), name, index, number)
    for suffix in ("-node-0-999-abcde", "-worker-999", "-launcher-abcde", "-999"):
        assert HOST.fullmatch(gang.object_name + suffix)


# Conditions ----------------------------------------------------------------------------------

ONE = {"type": "Running", "status": "True", "reason": "R", "message": "m"}


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("Complete", "succeeded"), ("Completed", "succeeded"), ("Succeeded", "succeeded"), ("Failed", "failed"),
        ("Created", "running"), ("Running", "running"), ("Restarting", "running"), ("FailureTarget", "running"),
        ("SuccessCriteriaMet", "running"), ("Suspended", "running"), ("StartupPolicyInProgress", "running"),
        ("StartupPolicyCompleted", "running"), ("Whatever", "running"),
    ],
)  # fmt: skip
def test_every_condition_of_every_kind_has_its_word_and_an_unknown_one_is_no_end(kind: str, word: str) -> None:
    known = {"status": {"conditions": [ONE | {"type": kind}]}}
    note = "Whatever: R: m" if kind == "Whatever" else "R: m" if word in ("succeeded", "failed") else ""
    assert conditions.state(known) == State(word, note)  # type: ignore[arg-type]
    assert conditions.state({"status": {"conditions": [ONE | {"type": kind, "status": "False"}]}}) == ("running", "")


@pytest.mark.parametrize("spec", [{"suspend": True}, {"runPolicy": {"suspend": True}}])
def test_what_is_held_back_waits_until_it_ends(spec: dict[str, Any]) -> None:
    assert conditions.state({"spec": spec}).word == "waiting"
    ended = {"conditions": [ONE | {"type": "Failed"}]}
    assert conditions.state({"spec": spec, "status": ended}).word == "failed"


@pytest.mark.parametrize(
    ("status", "word", "note"),
    [
        ({}, "running", ""),
        ({"jobDeploymentStatus": "Initializing"}, "running", ""),
        ({"jobDeploymentStatus": "Running", "jobStatus": "PENDING"}, "running", ""),
        ({"jobDeploymentStatus": "Running", "jobStatus": "SUCCEEDED"}, "succeeded", ""),
        ({"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED", "message": "m"}, "succeeded", "m"),
        ({"jobDeploymentStatus": "Failed", "jobStatus": "FAILED", "reason": "AppFailed"}, "failed", "AppFailed"),
        ({"jobDeploymentStatus": "Failed", "reason": "DeadlineExceeded", "message": "m"}, "failed", "DeadlineExceeded: m"),
        ({"jobDeploymentStatus": "ValidationFailed", "message": "m"}, "failed", "m"),
        ({"jobDeploymentStatus": "Running", "jobStatus": "STOPPED"}, "failed", ""),
        ({"jobDeploymentStatus": "Parked", "message": "m"}, "running", "Parked: m"),
    ],
)  # fmt: skip
def test_every_status_of_a_rayjob_has_its_word(status: dict[str, Any], word: str, note: str) -> None:
    assert ray_job.state({"status": status}) == (word, note)


def test_a_rayjob_that_is_held_back_waits() -> None:
    assert ray_job.state({"spec": {"suspend": True}, "status": {"jobDeploymentStatus": "Suspended"}}).word == "waiting"


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("", "running"), ("SUBMITTED", "running"), ("RUNNING", "running"), ("PENDING_RERUN", "running"),
        ("INVALIDATING", "running"), ("SUCCEEDING", "running"), ("FAILING", "running"), ("UNKNOWN", "running"),
        ("SUSPENDING", "waiting"), ("SUSPENDED", "waiting"), ("RESUMING", "running"), ("COMPLETED", "succeeded"),
        ("FAILED", "failed"), ("SUBMISSION_FAILED", "failed"), ("PARKED", "running"),
    ],
)  # fmt: skip
def test_every_state_of_a_sparkapplication_has_its_word(state: str, word: str) -> None:
    found = spark_application.state({"status": {"applicationState": {"state": state, "errorMessage": "m"}}})
    assert found == (word, "PARKED: m" if state == "PARKED" else "m")
    assert spark_application.state({"spec": {"suspend": True}}).word == "waiting"


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("", "running"), ("JobCreated", "running"), ("ClusterCreated", "running"), ("Running", "running"),
        ("Successful", "succeeded"), ("Failed", "failed"), ("Parked", "running"),
    ],
)  # fmt: skip
def test_every_status_of_a_daskjob_has_its_word(said: str, word: str) -> None:
    assert dask_job.state({"status": {"jobStatus": said}}) == (word, "Parked" if said == "Parked" else "")
    assert dask_job.state({}).word == "running"


def test_a_setting_of_spark_that_could_change_pods_is_refused() -> None:
    patch = {"spec": {"sparkConf": {"spark.sql.shuffle.partitions": "8", "spark.kubernetes.driver.limit.cores": "9"}}}
    step = FunctionStep(
        name="s", function="m:f", runtime=Spark(), overlays=(Overlay(kind="SparkApplication", patch=patch),)
    )
    with pytest.raises(SpecError) as refused:
        spark_application.render(Gang(PLACE, step, "s", 0, 1))
    (fault,) = refused.value.faults
    assert fault.path == "overlays.SparkApplication.spec.sparkConf.spark.kubernetes.driver.limit.cores"
    del patch["spec"]["sparkConf"]["spark.kubernetes.driver.limit.cores"]
    (made,) = spark_application.render(Gang(PLACE, step, "s", 0, 1))
    assert made["spec"]["sparkConf"] == {"spark.sql.shuffle.partitions": "8"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
WORDS = st.sampled_from(["True", "False", "Unknown", "Complete", "Failed", "x"]) | st.none()


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "spec": st.none() | st.dictionaries(st.sampled_from(["suspend", "runPolicy"]), st.none() | st.just({})),
            "status": st.none() | st.fixed_dictionaries(
                {}, optional={"conditions": st.none() | st.lists(st.dictionaries(st.sampled_from(["type", "status", "reason", "message"]), WORDS))}
            ),
        },
    )
)  # fmt: skip
def test_whatever_an_object_says_there_is_a_word_for_it(found: dict[str, Any]) -> None:
    assert conditions.state(found).word in ("waiting", "running", "succeeded", "failed")


# Choosing ------------------------------------------------------------------------------------

STEP = {"fit": FunctionStep(name="fit", function="mod:fit", runtime=Torch(nodes=2))}


def test_what_is_chosen_is_the_first_that_a_cluster_has_or_what_is_asked_for() -> None:
    everything, _ = table.choose(STEP, {}, lambda _: True)
    assert everything["torch"] == next(each.name for each in TARGETS if "torch" in each.runtimes)
    assert set(everything) == set(table.runtimes())
    plain, faults = table.choose(STEP, {}, lambda target: target.name == "job")
    assert (set(plain.values()), faults) == ({"job"}, [])
    asked, faults = table.choose(STEP, {"torch": "job"}, lambda _: True)
    assert (asked["torch"], asked["jax"], faults) == ("job", everything["jax"], [])


def test_a_target_whose_component_is_absent_is_refused_with_those_that_are_there() -> None:
    chosen, faults = table.choose(STEP, {"torch": "jobset"}, lambda target: target.name == "job")
    assert "torch" not in chosen
    (fault,) = faults
    assert fault.path == "steps.fit.runtime"
    assert fault.message == (
        "the target 'jobset' needs JobSet, which the cluster does not have; these targets can run it: job"
    )
    assert table.choose({}, {"torch": "jobset"}, lambda target: target.name == "job")[1] == []


def test_an_elastic_gang_goes_to_the_first_target_that_can_have_one_or_is_refused_with_those_that_can() -> None:
    elastic = {"fit": msgspec.structs.replace(STEP["fit"], runtime=Torch(nodes=4, nodes_min=2))}
    chosen, faults = table.choose(elastic, {}, lambda _: True)
    assert (chosen["torch"], faults) == ("pytorchjob", [])
    refused = {name: table.choose(elastic, {"torch": name}, lambda _: True)[1] for name in ("jobset", "job")}
    for name, (fault,) in refused.items():
        assert fault.path == "steps.fit.runtime.nodes_min"
        assert fault.message == (
            "can't be had: a gang has all its nodes there, or does not run: the target "
            f"{name!r} has no field for it; these targets can run it: pytorchjob"
        )
    _, (fault,) = table.choose(elastic, {}, lambda target: target.name == "job")
    assert fault.message.endswith("; no target here can run it")


def test_what_is_asked_for_is_checked_by_name_and_runtime() -> None:
    faults = {each.path: each.message for each in table.asked_faults({"torhc": "job", "jax": "jobst", "torch": "job"})}
    assert "did you mean 'torch'" in faults["targets.torhc"]
    assert "did you mean 'jobset'" in faults["targets.jax"]
    assert "targets.torch" not in faults


def test_a_target_of_another_package_that_is_not_in_the_worker_image_is_named() -> None:
    place = msgspec.structs.replace(PLACE, targets={"jax": "theirs"})
    gang = Gang(place, FunctionStep(name="fit", function="mod:fit", runtime=Jax(nodes=2)), "fit", 0, 1)
    with pytest.raises(UsageError, match="there is no target 'theirs' for step 'fit'"):
        table.target_of(gang)
