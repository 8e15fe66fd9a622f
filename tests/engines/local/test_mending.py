"""Who makes a damaged value again, and that it happens once."""

from __future__ import annotations

from pathlib import Path

import msgspec

from fairlead.engines.local.mending import Mending
from fairlead.specs.graphs import Graph, Node, Output
from fairlead.specs.reports import ErrorReport
from fairlead.specs.steps import FunctionStep, Parameter
from fairlead.specs.values import Ref
from fairlead.store.opening import open_backend
from fairlead.store.progress import Instance, Progress
from fairlead.store.records import AttemptRecord, Ended, Outcome, Superseded

TAKE = FunctionStep(name="take", function="m:take", parameters=(Parameter(name="x", required=False),))
NODES = (Node(step="take", name="make"), Node(step="take", name="use", inputs={"x": Output(0)}))


def begun(folder: Path) -> tuple[Progress, Mending, Instance, Instance]:
    progress = Progress(Graph(flow="f", steps={"take": TAKE}, nodes=NODES), lambda ref: 0)
    succeed(progress, number=1, time=1.0)
    make, use = progress.instances["make", 0], progress.instances["use", 0]
    return progress, Mending(open_backend(str(folder)), progress), make, use


def succeed(progress: Progress, *, number: int, time: float) -> None:
    outcome = Outcome(outputs=(Ref(digest="v", format="json", size_bytes=1),))
    progress.apply(
        Ended(
            record=AttemptRecord(
                step="make", index=0, number=number, status="succeeded", started=time, finished=time, outcome=outcome
            )
        )
    )


def met(number: int, time: float, value: str | None = "v") -> AttemptRecord:
    return AttemptRecord(
        step="use", index=0, number=number, status="failed", started=time, finished=time, damaged=value,
        error=ErrorReport(type="DamagedError", message="a stored value is damaged"),
    )  # fmt: skip


def test_who_returned_a_value_makes_it_again_and_who_needs_it_waits(tmp_path: Path) -> None:
    progress, mending, make, use = begun(tmp_path)
    assert mending.begin(use, met(1, 2.0)) == [make]
    progress.apply(Superseded(step="make", index=0, time=3.0))
    assert mending.waits(use)
    assert mending.begin(use, met(1, 2.5)) == []  # another one that had read it by then
    succeed(progress, number=2, time=4.0)
    assert not mending.waits(use)


def test_a_value_that_is_damaged_again_is_not_made_a_third_time(tmp_path: Path) -> None:
    progress, mending, make, use = begun(tmp_path)
    assert mending.begin(use, met(1, 2.0)) == [make]
    progress.apply(Superseded(step="make", index=0, time=3.0))
    succeed(progress, number=2, time=4.0)
    assert mending.begin(use, met(2, 3.5)) == []  # it had begun before the value was there again
    assert mending.begin(use, met(3, 5.0)) is None
    error = mending.explained(use, met(3, 5.0)).error
    assert error is not None and error.message.endswith("it was made again once, and is damaged again")


def test_a_value_of_nobody_in_the_run_is_not_made_again(tmp_path: Path) -> None:
    _, mending, _, use = begun(tmp_path)
    record = met(1, 2.0, "other")
    assert mending.begin(use, record) is None
    error = mending.explained(use, record).error
    assert error is not None and error.message.endswith("no step of this run makes it again")
    assert mending.begin(use, msgspec.structs.replace(record, damaged=None)) is None
