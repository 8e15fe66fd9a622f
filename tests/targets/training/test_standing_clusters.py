"""Clusters of Ray and Dask that stand by themselves, and the pods of steps that are sent into one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fairlead import runtimes, step
from fairlead.errors import SpecError, UsageError
from fairlead.runs.launching import load_step
from fairlead.runs.rendering import CLUSTERS
from fairlead.specs.contexts import Submission
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import CLUSTER_NAME_MAX, Dask, Ray, Runtime, Standing, runtime_faults
from fairlead.specs.steps import Environment, FunctionStep, Overlay, Volume, step_faults
from fairlead.specs.values import Ref
from fairlead.targets import naming, pods
from fairlead.targets.orders import Manifest
from fairlead.targets.refusals import placing_refusals, step_refusals
from fairlead.targets.restricted import pod_faults
from fairlead.targets.training import standing_cluster
from fairlead.targets.training.standing_cluster import Declared
from fairlead.targets.validating import object_field_faults
from specs.strategies import CLUSTERS as NAMES
from specs.strategies import COUNTS, STANDING, roles
from targets.goldens import CONTEXT, REPOSITORY, compare, golden
from targets.refused import PLACE
from targets.strategies import FUNCTION_STEPS
from targets.training.gangs import templates

FLOW = REPOSITORY / "tests/targets/flows/standing/flow.py"
RUNTIMES: dict[str, st.SearchStrategy[Any]] = {
    "RayCluster": st.builds(Ray, workers=COUNTS, roles=roles("ray")),
    "DaskCluster": st.builds(Dask, workers=COUNTS, roles=roles("dask")),
}
LOCK = Ref(digest="0" * 64, format="lock", size_bytes=1)
STEP = FunctionStep(name="pool", function="m:f", runtime=Ray(workers=2))


def cluster_of(kind: str) -> Manifest:
    """Compile the cluster of the step that is named as its framework is."""
    runtime, compiled = CLUSTERS[kind]
    place = Submission(run="none", flow="none", context=CONTEXT, namespace=CONTEXT.namespace)
    return compiled(Declared(place, load_step(str(FLOW), runtime).spec, "shared"))


@pytest.mark.parametrize(("kind", "name"), [("RayCluster", "ray_cluster"), ("DaskCluster", "dask_cluster")])
def test_a_cluster_that_stands_is_the_object_beside_its_definition(kind: str, name: str) -> None:
    compare(golden(FLOW, name), [cluster_of(kind)])


@pytest.mark.parametrize("kind", CLUSTERS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(data=st.data())
def test_what_is_not_refused_has_all_that_its_definition_says_and_nothing_of_a_run(
    kind: str, data: st.DataObject
) -> None:
    definition = msgspec.structs.replace(data.draw(FUNCTION_STEPS), runtime=data.draw(RUNTIMES[kind]))
    assume(not [*step_faults(definition), *step_refusals(definition)])
    assume(not [*placing_refusals(definition, PLACE.context), *standing_cluster.faults(PLACE, definition)])
    context = msgspec.structs.replace(PLACE.context, store_secret="store", worker_image="delivered:1")
    place = msgspec.structs.replace(PLACE, context=context)
    made = CLUSTERS[kind][1](Declared(place, definition, "shared"))
    assert list(object_field_faults(made, kind)) == []
    text = naming.as_json(made).decode()
    for of_a_run in (naming.RUN, naming.GANG, "FAIRLEAD_POD", '"secretRef"', "/fairlead", "delivered:1"):
        assert of_a_run not in text, of_a_run
    found = templates(made)
    assert len(found) == 2
    for template in found:
        spec = template["spec"]
        (main,) = spec["containers"]
        assert list(pod_faults(spec, spec, "spec")) == []
        assert template["metadata"]["labels"].items() >= definition.labels.items()
        assert {each["name"] for each in spec["volumes"]} == {each["name"] for each in main["volumeMounts"]}
        assert {each["mountPath"] for each in main["volumeMounts"]} >= {each.path for each in definition.volumes}
        said = {*definition.environment.variables, *(each.variable for each in definition.environment.secrets)}
        assert said <= {each["name"] for each in main["env"]}
        assert (spec["restartPolicy"], spec["automountServiceAccountToken"]) == ("Always", False)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"environment": Environment(packages=("six==1.17.0",))}, "environment.packages"),
        ({"environment": Environment(lock=LOCK)}, "environment.lock"),
        ({"volumes": (Volume(name="v", path="/v", size="1Gi", lasts="run"),)}, "volumes[0]"),
        ({"volumes": (Volume(name="v", path="/v", size="1Gi"),)}, "volumes[0]"),
        ({"overlays": (Overlay(kind="RayJob", patch={"spec": {"activeDeadlineSeconds": 60}}),)}, "overlays"),
    ],
)
def test_what_a_run_would_bring_is_refused(fields: dict[str, Any], path: str) -> None:
    (fault,) = standing_cluster.faults(PLACE, msgspec.structs.replace(STEP, **fields))
    assert fault.path == path


def test_a_definition_of_pods_alone_is_not_refused() -> None:
    overlay = Overlay(kind="Pod", patch={"priority": 1})
    fields = {"volumes": (Volume(name="v", path="/v", claim="there"),), "overlays": (overlay,)}
    assert not [*standing_cluster.faults(PLACE, msgspec.structs.replace(STEP, **fields))]


def test_a_ray_has_no_token_but_one_that_its_definition_gives() -> None:
    for variables, mode in (({}, "disabled"), ({"RAY_AUTH_MODE": "token"}, "token")):
        step = msgspec.structs.replace(STEP, environment=Environment(variables=variables))
        for template in templates(CLUSTERS["RayCluster"][1](Declared(PLACE, step, "shared"))):
            said = [
                each["value"] for each in template["spec"]["containers"][0]["env"] if each["name"] == "RAY_AUTH_MODE"
            ]
            assert said == [mode]


# Steps that are sent into one ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("runtime", "variable"),
    [
        (runtimes.ray(cluster="shared"), {"name": "RAY_ADDRESS", "value": "ray://shared-head-svc:10001"}),
        (runtimes.ray(cluster="ml/a"), {"name": "RAY_ADDRESS", "value": "ray://a-head-svc.ml:10001"}),
        (runtimes.dask(cluster="shared"), {"name": "DASK_SCHEDULER_ADDRESS", "value": "tcp://shared-scheduler:8786"}),
        (runtimes.dask(cluster="ml/a"), {"name": "DASK_SCHEDULER_ADDRESS", "value": "tcp://a-scheduler.ml:8786"}),
    ],
)
def test_its_pod_is_that_of_any_step_but_for_where_the_cluster_is(runtime: Runtime, variable: dict[str, str]) -> None:
    plain = FunctionStep(name="work", function="m:f", resources=Resources(cpu=2))
    sent = pods.step_pod(PLACE, msgspec.structs.replace(plain, runtime=runtime))
    main = pods.main_of(sent)
    assert variable in main["env"]
    main["env"].remove(variable)
    assert sent == pods.step_pod(PLACE, plain)
    assert not pods.is_driving(msgspec.structs.replace(plain, runtime=runtime))


@pytest.mark.parametrize("given", [{"workers": 1}, {"roles": {}}, {"workers": 4, "roles": {"worker": runtimes.role()}}])
@pytest.mark.parametrize("made", [runtimes.ray, runtimes.dask])
def test_how_large_a_cluster_is_that_stands_is_no_affair_of_a_step(made: Any, given: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as refused:
        made(cluster="shared", **given)
    said = str(refused.value)
    assert " and ".join(given) in said and "cluster='shared'" in said
    assert all(word in said for word in ("where", "why", "next"))


@settings(max_examples=60, deadline=None)
@given(NAMES, STANDING)
def test_a_name_that_a_cluster_can_have_is_one_for_who_is_sent_into_it(name: str, runtime: Standing) -> None:
    assert list(runtime_faults(runtime)) == []
    assert list(runtime_faults(msgspec.structs.replace(runtime, cluster=name))) == []
    too_long = f"{name.rpartition('/')[2]:x<{CLUSTER_NAME_MAX + 1}}"
    (fault,) = runtime_faults(msgspec.structs.replace(runtime, cluster=too_long))
    assert fault.path == "cluster"


@pytest.mark.parametrize("name", ["", "A", "1a", "a-", "a/", "/a", "a/b/c", "a.b", "a b", "a\n"])
def test_a_name_that_no_cluster_has_is_refused(name: str) -> None:
    (fault,) = runtime_faults(Standing(framework="dask", cluster=name))
    assert fault.path == "cluster"


def test_faults_of_a_step_name_the_cluster() -> None:
    with pytest.raises(SpecError) as refused:
        step(runtime=runtimes.dask(cluster="Shared"))(_work)
    assert [each.path for each in refused.value.faults] == ["runtime.cluster"]


def _work() -> int:
    return 1
