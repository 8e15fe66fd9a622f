"""What a cluster is given to run a recorder, held against what was reviewed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from fairlead.cli.main import call
from fairlead.engines.kubernetes import rights
from fairlead.kube.access import smallest_role
from fairlead.runs import contexts
from fairlead.specs.documents import to_yaml
from fairlead.targets.recorder import Plan, recorder
from fairlead.targets.restricted import pod_faults
from targets.goldens import CONTEXT, compare

GOLDENS = Path(__file__).with_name("recorder")


def rules(*needed):  # type: ignore[no-untyped-def]
    return smallest_role("", "", needed)["rules"]


PLANS = {
    "namespace": Plan("ml", rules(*rights.RECORDING)),
    "everywhere": Plan(
        "ml",
        rules(*rights.RECORDING, *rights.ENDING),
        rules(*rights.SEEING_WAITS),
        everywhere=True,
        ends=True,
        nodes=True,
        replicas=2,
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_what_is_rendered_is_what_was_reviewed(name: str) -> None:
    compare(GOLDENS / f"{name}.golden.yaml", recorder(CONTEXT, PLANS[name]))


@pytest.mark.parametrize("name", PLANS)
def test_its_pod_is_restricted_and_its_store_s_secret_a_reference(name: str) -> None:
    deployment = recorder(CONTEXT, PLANS[name])[-1]
    pod = deployment["spec"]["template"]["spec"]
    assert list(pod_faults(pod, pod, "spec")) == []
    (container,) = pod["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "store"}}]
    assert f"--store={CONTEXT.store}" in container["command"]
    assert set(container["resources"]) == {"requests", "limits"}
    assert (container["livenessProbe"]["httpGet"], pod["restartPolicy"]) == (
        {"path": "/healthz", "port": 8080},
        "Always",
    )


def test_without_being_asked_it_only_reads() -> None:
    role = next(each for each in recorder(CONTEXT, PLANS["namespace"]) if each["kind"] == "Role")
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} <= {"get", "list", "watch"}


@pytest.mark.parametrize(
    ("options", "plan"),
    [((), "namespace"), (("--everywhere", "--end-unschedulable", "--nodes", "--replicas", "2"), "everywhere")],
)
def test_the_command_prints_it(
    options: tuple[str, ...],
    plan: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path))
    contexts.add(CONTEXT)
    assert call(["recorder", "render", "--on", CONTEXT.name, *options]) == 0
    assert capsys.readouterr().out == "---\n".join(map(to_yaml, recorder(CONTEXT, PLANS[plan])))


def test_it_must_be_told_for_which_cluster_and_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path))
    assert call(["recorder", "render"]) == 2
    assert "no context is chosen" in capsys.readouterr().err
    assert call(["recorder", "run"]) == 2
    assert "a recorder needs the store of a cluster's runs" in capsys.readouterr().err
    contexts.add(msgspec.structs.replace(CONTEXT, worker_image=""))
    assert call(["recorder", "render", "--on", CONTEXT.name]) == 2
    assert "names no image of Fairlead's worker" in capsys.readouterr().err


def test_a_run_on_this_machine_has_nothing_to_schedule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path))
    for verb in ("run", "resume", "rerun"):
        assert call([verb, "x", "--unschedulable", "warn"]) == 2
        assert "--unschedulable needs a cluster" in capsys.readouterr().err
    contexts.add(CONTEXT)
    assert call(["run", "x.py", "--on", CONTEXT.name, "--unschedulable", "fail"]) == 2
    assert "'fail' is no policy" in capsys.readouterr().err
    assert call(["context", "add", "c", "--store", "s3://b/p", "--unschedulable", "fail-after soon"]) == 2
    assert "unschedulable: 'soon' is no duration" in capsys.readouterr().err
