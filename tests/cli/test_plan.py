"""Planning by a bundle: what people read, what programs read, and what ends with which exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fairlead.cli.main import call
from fairlead.runs import contexts
from fairlead.snapshots import bundles
from fairlead.snapshots.snapshot import Meta, Snapshot
from fairlead.specs.contexts import Context
from insight import pictures as p
from insight.planning.flows import ACCOUNT, BIG, cluster_wide

FLOW = """
from fairlead import flow, step

@step(cpu=2, memory="4Gi")
def load(n: int = 3) -> list[int]:
    return list(range(n))

@step(cpu=100, memory="1Gi", gpus="A100-80GB:1")
def fit(x: int) -> int:
    return x

@flow
def small(n: int = 3) -> list[int]:
    return load(n)

@flow
def large(n: int = 3) -> list[int]:
    return fit.map(load(n))
"""
PRICES = """
currency = "EUR"
[[price]]
what = "cpu"
per_h = 0.1
"""


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    monkeypatch.delenv("FAIRLEAD_CONTEXT", raising=False)
    contexts.add(
        Context(name="lab", store="s3://nowhere/x", image="python", worker_image="fairlead", namespace=p.NAMESPACE)
    )
    others = p.thing("Pod", "other", spec={"nodeName": "n1", "containers": []}, status={})
    others["metadata"]["namespace"] = "others"
    mine = p.pod("mine", spec={"nodeName": "n1"}, phase="Running")
    objects = [ACCOUNT, BIG, others, mine, cluster_wide("Namespace", p.NAMESPACE)]
    objects += [p.thing("ResourceQuota", "q", spec={}, status={"hard": {"cpu": "8"}, "used": {"cpu": "1"}})]
    objects += [p.thing("LimitRange", "l", spec={"limits": []})]
    bundles.write(Snapshot(Meta(), objects), tmp_path / "bundle.tgz")
    (tmp_path / "flow.py").write_text(FLOW)
    (tmp_path / "prices.toml").write_text(PRICES)
    monkeypatch.chdir(tmp_path)

    def run(flow: str, *words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = call(["plan", f"flow.py:{flow}", "--on", "lab", "--snapshot", "bundle.tgz", *words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_people_read_a_line_for_each_sort_of_steps_and_why_not(plan: Any) -> None:
    code, said, _ = plan("large")
    assert code == 0
    for line in (
        "flow large in lab, namespace team: it would never run",
        "load        1      1     now      now    ?             ?           ?",
        "fit         1+     1     never    never  ?             ?           ?",
        "at least 3 pods in all; cost: not known without a price book: --prices FILE",
        "never: quota-of-namespace (quota), of step fit",
        '  saw    ResourceQuota team/q: status.hard["cpu"] = 8',
        "  fits   cpu 8",
        "  rights, dry runs, the store and earlier runs: a bundle does not have them",
    ):
        assert f"{line}\n" in said, said


def test_programs_read_every_field(plan: Any) -> None:
    code, said, _ = plan("large", "-o", "json", "--prices", "prices.toml")
    found = json.loads(said)
    assert code == 0 and found["verdict"] == "never" and found["context"] == "lab"
    load, fit, own = found["steps"]
    assert (load["step"], load["verdict"], load["instances"], load["duration_s"]) == ("load", "now", 1, None)
    assert (fit["step"], fit["is_counted"], own["step"]) == ("fit", False, "")
    assert {each["id"] for each in fit["reasons"]} == {"quota-of-namespace", "more-than-any-node"}
    assert all(each["evidence"] and each["remedy"] for each in fit["reasons"])
    assert load["cost"]["lacking"] == ["no price of memory", "nothing of it has run yet"]


@pytest.mark.parametrize(("flow", "code"), [("small", 0), ("large", 6)])
def test_strict_ends_with_6_where_a_step_would_not_run(plan: Any, flow: str, code: int) -> None:
    assert plan(flow, "--strict")[0] == code


def test_parameters_of_the_flow_are_taken(plan: Any) -> None:
    assert plan("small", "--n", "5", "-o", "yaml")[0] == 0
    assert plan("small", "--m", "5")[0] == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("currency = ", "is no TOML"),
        ('currency = "EUR"\nprice = [{what = "cpu", per_h = "much"}]', "price[0].per_h"),
        ('currency = "EUR"\nprice = [{what = "cpu", per_h = -1}]', "must be 0 or more"),
    ],
)  # fmt: skip
def test_a_price_book_that_is_none_is_refused(plan: Any, text: str, said: str) -> None:
    Path("prices.toml").write_text(text)
    code, _, error = plan("small", "--prices", "prices.toml")
    assert code == 2 and said in error
    assert "cannot read the price book" in plan("small", "--prices", "none.toml")[2]


def test_this_machine_is_no_cluster(plan: Any, capsys: Any) -> None:
    assert call(["plan", "flow.py:small"]) == 2
    assert "fairlead plan needs a cluster" in capsys.readouterr().err
