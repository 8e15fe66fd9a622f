"""Restarts that matter still, and those that are over: by how long a container has run well since."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.insight.ends import ends_of
from fairlead.insight.why import Answer, explain
from fairlead.naming import format_time
from fairlead.snapshots.snapshot import INITS, Snapshot, thing_of
from insight import pictures as p

NOW = datetime.fromisoformat(p.TAKEN)
LAST = {"exitCode": 137, "reason": "OOMKilled"}


def restarted(*, running: timedelta, restarts: int, age: timedelta, ready: bool = True) -> dict[str, Any]:
    """Return a pod whose container runs since a while, after so many restarts."""
    begun = NOW - running
    status = {
        "name": "main", "image": "i", "restartCount": restarts, "ready": ready,
        "state": {"running": {"startedAt": format_time(begun)}},
        "lastState": {"terminated": {**LAST, "finishedAt": format_time(begun)}},
    }  # fmt: skip
    conditions = [p.condition("Ready", str(ready))]
    return p.pod(spec={"nodeName": "n1"}, phase="Running", startTime=format_time(NOW - age), containerStatuses=[status],
                 conditions=conditions)  # fmt: skip


def of(pod: dict[str, Any], *events: dict[str, Any]) -> Answer:
    """Explain a pod."""
    found = thing_of(pod)
    assert found is not None
    return explain(p.picture(pod, events=events), found)


@pytest.mark.parametrize(
    ("running", "restarts", "age", "matters"),
    [
        (timedelta(minutes=3), 1, timedelta(days=2), True),
        (timedelta(days=3), 1, timedelta(days=9), False),
        (timedelta(hours=2), 5, timedelta(hours=3), False),  # at its start, while something was not up yet
        (timedelta(minutes=20), 12, timedelta(hours=8), True),  # every 40 minutes
        (timedelta(hours=2), 12, timedelta(days=3), True),  # every six hours
    ],
)
def test_a_restart_matters_until_its_container_has_run_well_for_longer_than_between_restarts(
    running: timedelta, restarts: int, age: timedelta, matters: bool
) -> None:
    probed = p.event("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500")
    probed["involvedObject"]["fieldPath"] = "spec.containers{main}"
    answer = of(restarted(running=running, restarts=restarts, age=age), probed)
    assert answer.state == "running"
    assert [each.id for each in answer.causes] == (["out-of-memory"] if matters else [])


@given(st.timedeltas(timedelta(0), timedelta(days=30)), st.integers(1, 1000), st.timedeltas(timedelta(0), timedelta(9)))
def test_what_is_not_ready_is_never_over(running: timedelta, restarts: int, before: timedelta) -> None:
    pod = thing_of(restarted(running=running, restarts=restarts, age=running + before, ready=False))
    assert pod is not None
    assert len(ends_of(pod, p.picture(pod.value))) == 1


def test_an_init_container_that_ended_well_at_its_second_try_explains_nothing() -> None:
    status = {"name": "migrate", "state": {"terminated": {"exitCode": 0}}, "lastState": {"terminated": LAST}}
    pod = thing_of(p.pod(phase="Pending", **{INITS.removeprefix("status."): [status]}))
    assert pod is not None and not ends_of(pod, p.picture(pod.value))


def test_without_the_time_of_the_picture_the_last_event_tells_it() -> None:
    pod = thing_of(restarted(running=timedelta(days=3), restarts=1, age=timedelta(days=9)))
    assert pod is not None
    meta = p.picture().meta.__class__()
    assert len(ends_of(pod, Snapshot(meta, [pod.value]))) == 1
    assert not ends_of(pod, Snapshot(meta, [pod.value], [p.event("Pulled", "x", at=p.TAKEN)]))
