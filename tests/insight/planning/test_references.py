"""What pods name must be there; where that can't be read, it is said, and not guessed."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.insight.planning.plans import judge, verdict_of
from fairlead.specs.runtimes import Torch
from fairlead.specs.steps import Environment, Overlay, Secret
from fairlead.specs.volumes import Volume
from insight.pictures import thing
from insight.planning.flows import BIG, against, asks, cluster_wide, facts, fit, ids

TOKEN = fit(environment=Environment(secrets=(Secret(name="hub", key="token", variable="TOKEN"),)))
DATA = fit(volumes=(Volume(name="data", path="/data", claim="images"),))


def claim(phase: str = "Bound", *modes: str, **spec: Any) -> dict[str, Any]:
    return thing(
        "PersistentVolumeClaim", "images", spec={"accessModes": list(modes or ("ReadWriteMany",)), **spec},
        status={"phase": phase},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("step", "fields", "id", "there"),
    [
        (TOKEN, {}, "secret-missing", thing("Secret", "hub")),
        (fit(), {"store_secret": "store"}, "secret-missing", thing("Secret", "store")),
        (fit(), {"service_account": "worker"}, "service-account-missing", thing("ServiceAccount", "worker")),
        (fit(priority="high"), {}, "priority-class-missing", cluster_wide("PriorityClass", "high")),
        (DATA, {}, "volume-claim-missing", claim()),
    ],
)  # fmt: skip
def test_what_is_named_and_not_there_is_never(step: Any, fields: Any, id: str, there: dict[str, Any]) -> None:
    (reason,) = against(asks(step, **fields), facts(BIG))
    assert (reason.id, reason.verdict) == (id, "never") and reason.evidence[0].value == there["metadata"]["name"]
    assert ids(asks(step, **fields), facts(BIG, there)) == {}
    (judged, *_) = judge(asks(step, **fields), facts(BIG, unread=frozenset({there["kind"]})))
    assert verdict_of(judged.reasons, judged.unread) == "unknown"
    assert any(there["metadata"]["name"] in each.what for each in judged.unread)


def test_priorities_of_kubernetes_itself_are_always_there() -> None:
    assert ids(asks(fit(priority="system-node-critical")), facts(BIG)) == {}


def test_a_priority_that_is_not_there_has_others_that_are() -> None:
    (reason,) = against(asks(fit(priority="hihg")), facts(BIG, cluster_wide("PriorityClass", "high")))
    assert reason.fits == "high"


def test_a_secret_for_pulling_is_a_warning() -> None:
    step = fit(overlays=(Overlay(kind="Pod", patch={"imagePullSecrets": [{"name": "pull"}]}),))
    assert ids(asks(step), facts(BIG)) == {"pull-secret-missing": "warning"}
    assert ids(asks(step), facts(BIG, thing("Secret", "pull"))) == {}


def test_what_is_optional_may_be_missing() -> None:
    volume = {"name": "c", "configMap": {"name": "maybe", "optional": True}}
    assert ids(asks(fit(overlays=(Overlay(kind="Pod", patch={"volumes": [volume]}),))), facts(BIG)) == {}
    volume = {"name": "c", "configMap": {"name": "surely"}}
    step = fit(overlays=(Overlay(kind="Pod", patch={"volumes": [volume]}),))
    assert ids(asks(step), facts(BIG)) == {"config-map-missing": "never"}


@pytest.mark.parametrize(
    ("there", "found"),
    [
        (claim("Lost"), {"volume-claim-unready": "never"}),
        (claim("Pending"), {"volume-claim-unready": "not-now"}),
        (claim("Pending", storageClassName="late"), {}),
        (claim("Pending", storageClassName="soon"), {"volume-claim-unready": "not-now"}),
    ],
)  # fmt: skip
def test_a_claim_must_have_a_volume_or_get_one(there: dict[str, Any], found: dict[str, str]) -> None:
    classes = [
        cluster_wide("StorageClass", name, volumeBindingMode=mode)
        for name, mode in (("late", "WaitForFirstConsumer"), ("soon", "Immediate"))
    ]
    assert ids(asks(DATA), facts(BIG, there, *classes)) == found


def test_a_claim_that_is_going_is_never() -> None:
    there = claim()
    there["metadata"]["deletionTimestamp"] = "2026-11-20T10:00:00Z"
    assert ids(asks(DATA), facts(BIG, there)) == {"volume-claim-going": "never"}


def test_several_pods_and_a_volume_of_one() -> None:
    step = fit(volumes=(Volume(name="data", path="/data", claim="images"),), runtime=Torch(nodes=2))
    for mode, verdict in (("ReadWriteOnce", "warning"), ("ReadWriteOncePod", "never")):
        assert ids(asks(step), facts(BIG, claim("Bound", mode))) == {"volume-of-one-node": verdict}
    assert ids(asks(step), facts(BIG, claim("Bound", "ReadOnlyMany"))) == {}


@pytest.mark.parametrize("lasts", ["pod", "run"])
def test_volumes_that_are_made_need_a_class(lasts: Any) -> None:
    def made(**fields: Any) -> Any:
        mode = "ReadWriteMany" if lasts == "run" else "ReadWriteOnce"
        return fit(volumes=(Volume(name="w", path="/w", size="1Gi", lasts=lasts, access_mode=mode, **fields),))  # type: ignore[arg-type]  # one of the modes

    fast = cluster_wide("StorageClass", "fast")
    (reason,) = against(asks(made(storage_class="slow")), facts(BIG, fast))
    assert (reason.id, reason.verdict, reason.fits) == ("storage-class-missing", "never", "fast")
    assert ids(asks(made()), facts(BIG, fast)) == {"storage-class-missing": "never"}
    assert ids(asks(made(storage_class="fast")), facts(BIG, fast)) == {}
