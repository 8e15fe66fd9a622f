"""fairlead capacity simulate and compare --prices: what nodes cost, and what has no price."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.cli.main import call
from fairlead.insight.planning.prices import Price, PriceBook
from fairlead.planner.nodes import Node
from fairlead.runs.node_costs import with_cost
from fairlead.specs.capacity import SimulationReport
from fairlead.specs.simulated import NodesCost
from simulations import document, printed

NODES = "name,cpu_milli,memory_mib,gpus,model,count\nn,8000,2048,2,h100,2\n"
JOBS = "name,arrival_s,duration_s,cpu_milli,memory_mib,gpus\na,0,3600,0,0,2\nb,0,3600,0,0,2\nc,0,3600,0,0,2\n"
CHANGES = '[[change]]\nname = "more"\nadd = [{ like = "n-0" }]\n[[change]]\nname = "other"\nadd = [{ cpu_milli = 1, memory_mib = 1, gpus = 2, model = "T4" }]\n'
PRICES = {"cpu": 0.5, "memory": 0.25, "H100": 3.0}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = {"nodes.csv": NODES, "jobs.csv": JOBS, "changes.toml": CHANGES, "prices.toml": book_text(PRICES)}
    for name, text in files.items():
        Path(name).write_text(text)


def book_text(prices: dict[str, float]) -> str:
    return 'currency = "EUR"\n' + "".join(
        f'[[price]]\nwhat = "{what}"\nper_h = {per_h}\n' for what, per_h in prices.items()
    )


FILES = ("--nodes", "nodes.csv", "--workloads", "jobs.csv", "--policy", "best-fit", "--prices", "prices.toml")


def test_all_nodes_cost_all_the_time_and_used_gpus_share_it(capsys: pytest.CaptureFixture[str]) -> None:
    # two nodes, each of 8 cores, 2 GiB and 2 H100, for 2 hours, in which three jobs have 2 GPUs for an hour
    per_h = 2 * (8 * 0.5 + 2 * 0.25 + 2 * 3.0)
    assert document(capsys, "simulate", *FILES)["best-fit"]["cost"] == {
        "currency": "EUR", "per_h": per_h, "over_makespan": 2 * per_h, "per_used_gpu_h": round(2 * per_h / 6, 6),
        "more_than_as_is": None, "lacking": [],
    }  # fmt: skip
    table = printed(capsys, "simulate", *FILES)
    assert "OVER MAKESPAN" in table and "42.00 EUR" in table and "7.00 EUR" in table and "MORE THAN" not in table


def test_changes_cost_more_or_less_than_what_there_is_and_missing_prices_are_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = document(capsys, "compare", "changes.toml", *FILES)
    costs = {name: (each["cost"]["over_makespan"], each["cost"]["more_than_as_is"]) for name, each in found.items()}
    assert costs == {"as it is": (42.0, None), "more": (31.5, -10.5), "other": (None, None)}
    assert found["other"]["cost"]["lacking"] == ["no price of T4"]
    table = printed(capsys, "compare", "changes.toml", *FILES)
    assert "-10.50 EUR" in table and "other: no cost is known: no price of T4" in table
    rows = csv.DictReader(io.StringIO(printed(capsys, "compare", "changes.toml", *FILES, "-o", "csv"), newline=""))
    assert [(row["cost_over_makespan"], row["cost_more_than_as_is"], row["currency"], row["lacking"]) for row in rows] == [
        ("42.0", "", "EUR", ""), ("31.5", "-10.5", "EUR", ""), ("", "", "EUR", "no price of T4"),
    ]  # fmt: skip


def test_a_later_book_goes_before_an_earlier_one(capsys: pytest.CaptureFixture[str]) -> None:
    Path("own.toml").write_text(book_text({"h100": 0}))
    cost = document(capsys, "simulate", *FILES, "--prices", "own.toml")["best-fit"]["cost"]
    assert cost["per_h"] == 9.0


def test_without_a_book_nothing_is_said_of_cost(capsys: pytest.CaptureFixture[str]) -> None:
    assert document(capsys, "simulate", *FILES[:-2])["best-fit"]["cost"] is None
    assert "PER USED GPU-H" not in printed(capsys, "simulate", *FILES[:-2])


def test_a_bad_book_is_refused_before_nodes_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    Path("prices.toml").write_text(book_text({"cpu": -1}))
    Path("nodes.csv").unlink()
    for words in (["simulate"], ["compare", "changes.toml"]):
        assert call(["capacity", *words, *FILES]) == 2
        assert "price[0].per_h: must be 0 or more" in capsys.readouterr().err


SOLD = ("cpu", "memory", "A", "B")
NODE = st.builds(
    lambda cpu, memory, gpus, model: Node(name="", cpu_millis=cpu, memory_mib=memory, gpus=gpus, model=model if gpus else ""),
    st.integers(1, 10**6), st.integers(1, 10**6), st.integers(0, 8), st.sampled_from("AB"),
)  # fmt: skip


@settings(deadline=None)  # names of accelerators are read at the first call
@given(
    st.lists(NODE, min_size=1, max_size=5),
    st.dictionaries(st.sampled_from(SOLD), st.integers(0, 100)),
    st.integers(0, 10**6),
)
def test_what_has_no_price_is_never_nothing_and_costs_add_up(
    nodes: list[Node], prices: dict[str, int], seconds: int
) -> None:
    report = SimulationReport(
        jobs=1, given_up=(), makespan_s=seconds, scheduling_occupancy=50.0, gpu_allocation_most=50.0, fragmentation=0.0,
        wait=None, completion=None, over_time=(), wait_distribution=(),
    )  # fmt: skip
    book = PriceBook(currency="EUR", price=tuple(Price(what=what, per_h=per_h) for what, per_h in prices.items()))

    def cost(of: list[Node]) -> NodesCost:
        found = with_cost(report, of, book).cost
        assert found is not None
        return found

    whole = cost(nodes)
    wanted = {"cpu", "memory", *(each.model for each in nodes if each.gpus)}
    assert set(whole.lacking) == {f"no price of {each}" for each in wanted - prices.keys()}
    assert (whole.per_h is None) == (whole.over_makespan is None) == bool(whole.lacking)
    if whole.per_h is not None and whole.over_makespan is not None:
        assert whole.per_h == pytest.approx(sum(cost([each]).per_h or 0 for each in nodes), abs=1e-5)
        assert whole.over_makespan == pytest.approx(whole.per_h * seconds / 3600, rel=1e-6, abs=1e-3)
        assert (whole.per_used_gpu_h is None) == (not seconds or not any(each.gpus for each in nodes))
