"""Gangs: whom the others wait for, who is behind, and when nobody can tell."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.insight.why import Answer, explain
from fairlead.snapshots.snapshot import Snapshot
from insight import pictures as p

NOW = datetime(2026, 11, 20, 10, 30, tzinfo=UTC)
RANKS = [p.rank(number) for number in range(4)]


def why(*objects: dict[str, Any], logs: dict[str, str] | None = None, subject: str = "Job j") -> Answer:
    """Explain the Job ``j``, or another object."""
    return of(p.picture(*objects, logs=logs or {}), subject)


def of(snapshot: Snapshot, subject: str = "Job j") -> Answer:
    kind, _, name = subject.partition(" ")
    found = snapshot.find(kind, name, p.NAMESPACE)
    assert found is not None
    return explain(snapshot, found)


def ids(answer: Answer) -> list[str]:
    return [each.id for each in answer.causes if each.id != "unknown"]


def lines(marks: list[tuple[float, str]]) -> str:
    """Return a log of what was said so many seconds ago."""
    return "".join(f"{NOW - timedelta(seconds=ago):%Y-%m-%dT%H:%M:%S.%f}Z {said}\n" for ago, said in marks)


# Ranks that have not begun -------------------------------------------------------------------------
def test_ranks_that_run_wait_for_the_one_that_does_not_and_its_cause_is_theirs() -> None:
    absent = p.rank(3, state={"waiting": {"reason": "ErrImagePull", "message": "manifest unknown"}})
    for subject in ("Job j", "Pod fit-0"):
        answer = why(p.gang(), *RANKS[:3], absent, subject=subject)
        assert [(each.id, each.subject) for each in answer.causes] == [("image-not-found", "Pod team/fit-3")]
        assert [(each.id, each.count) for each in answer.consequences] == [("waits-for-ranks", 3)]
        assert "waits for fit-3 of its gang: ErrImagePull" in answer.consequences[0].message


def test_a_rank_that_lost_the_others_is_explained_by_the_one_that_failed_first() -> None:
    first = p.ended(137, "OOMKilled", name="rank-1", owner="j", at="2026-11-20T10:01:00Z")
    lost = p.ended(1, owner="j", at="2026-11-20T10:04:00Z")
    answer = why(p.gang(), first, lost, logs={"p": "RuntimeError: NCCL timeout: Watchdog caught collective operation\n"},
                 subject="Pod p")  # fmt: skip
    assert (ids(answer), answer.consequences[0].id) == (["out-of-memory"], "rendezvous-failed")


def test_a_rank_with_a_cause_of_its_own_is_not_explained_by_others() -> None:
    answer = why(p.gang(), p.ended(137, "OOMKilled", name="rank-1", owner="j"), p.ended(3, owner="j"), subject="Pod p")
    assert ids(answer) == ["exit-code"]


@pytest.mark.parametrize(
    "top",
    [
        p.thing(
            "Job", "j", spec={"completionMode": "Indexed", "template": {"spec": {}}}
        ),  # each does a part of its own
        p.thing("Job", "j", spec={"template": {"spec": {"subdomain": "j"}}}),
        p.thing("PyTorchJob", "j", spec={"elasticPolicy": {"minReplicas": 1}}),
        p.thing("Deployment", "j", spec={}),
    ],
    ids=["parts", "not-indexed", "elastic", "deployment"],
)
def test_pods_that_do_not_wait_for_each_other_are_no_gang(top: dict[str, Any]) -> None:
    late = p.rank(3, state={"waiting": {"reason": "ErrImagePull", "message": "manifest unknown"}})
    answer = why(top, RANKS[0], late, subject="Pod fit-0")
    assert not answer.causes and not answer.consequences


def test_ranks_of_an_indexed_job_are_known_by_the_variables_that_they_meet_by() -> None:
    container = {"name": "main", "env": [{"name": "MASTER_ADDR", "value": "[redacted]"}]}
    top = p.thing("Job", "j", spec={"completionMode": "Indexed", "template": {"spec": {"containers": [container]}}})
    assert ids(why(top, RANKS[0], p.rank(3, state={"waiting": {"reason": "ContainerCreating"}}))) == ["waits-for-ranks"]


# Ranks that are behind, and gangs that stand still -------------------------------------------------
def test_a_rank_that_is_behind_is_named_with_the_lines_that_show_it() -> None:
    logs = {f"fit-{number}": p.steps(200, 300) for number in range(4)}
    logs["fit-2"] = p.steps(150, 220, until="2026-11-20T10:16:40Z")
    (cause,) = why(p.gang(), *RANKS, logs=logs).causes
    assert (cause.id, cause.confidence) == ("straggler", 0.8)
    assert "rank fit-2 on node n2 is behind the others, by 79 reports" in cause.message
    assert cause.evidence[0].path == "logs/fit-2/main.log:71" and "step 220" in cause.evidence[0].value
    assert cause.remedy.startswith("kubectl exec fit-2 -n team -c main -- py-spy dump --pid 1 ")


def test_ranks_that_share_a_pod_write_beside_each_other() -> None:
    """As torchrun's do, each a moment after the other, and one a step after the others."""
    chance = random.Random(7)
    mixed = sorted(((ago + chance.uniform(0, 8), f"[rank{rank}] {said}") for ago, said in EVERY for rank in range(4)),
                   reverse=True)  # fmt: skip
    logs = {**dict.fromkeys(("fit-0", "fit-1", "fit-3"), lines(mixed)), "fit-2": lines(mixed[:120])}
    (cause,) = why(p.gang(), *RANKS, logs=logs).causes
    assert cause.id == "straggler" and "rank fit-2 on node n2 is behind" in cause.message
    assert not ids(why(p.gang(), *RANKS, logs=dict.fromkeys(logs, lines(mixed))))


def test_two_ranks_of_one_slow_node_are_behind_together() -> None:
    ranks = [p.rank(number) for number in range(8)]
    logs = {f"fit-{number}": p.steps(200, 300) for number in range(8)}
    logs |= {name: p.steps(150, 220, until="2026-11-20T10:16:40Z") for name in ("fit-5", "fit-6")}
    (cause,) = why(p.gang(), *ranks, logs=logs).causes
    assert "fit-5 on node n5 is behind the others with 1 more" in cause.message


EVERY = [(float(900 - 10 * number), f"step {number}") for number in range(90)]
STOPPED = EVERY[:20]


@pytest.mark.parametrize(
    "late",
    [
        "",  # it writes nothing
        "loss 0.31\n" * 50,  # no times
        lines([(ago, "loss 0.31") for ago, _ in STOPPED]),  # nothing says how far it is
        lines(STOPPED[:4]),  # too little
        lines([(700.0, said) for _, said in STOPPED]),  # all at once, as what was buffered
        lines([(ago, f"step {number % 8}") for number, (ago, _) in enumerate(STOPPED)]),  # numbers that begin anew
        lines([(ago, said.replace("step", "epoch")) for ago, said in STOPPED]),  # other words
        lines([(ago, f"{said}/19") for ago, said in STOPPED]),  # it had less to do
        lines([(ago, f"batch_size=32, max_step {number}.5s") for number, (ago, _) in enumerate(STOPPED)]),
    ],
    ids=[
        "silent",
        "no-times",
        "no-numbers",
        "few",
        "burst",
        "anew",
        "other-words",
        "done",
        "other-numbers",
    ],
)
def test_where_nobody_can_tell_whether_a_rank_is_behind_nobody_says_so(late: str) -> None:
    logs = {**{f"fit-{number}": lines(EVERY) for number in range(3)}, "fit-3": late}
    assert not ids(why(p.gang(), *RANKS, logs=logs))


def test_programs_that_differ_are_not_compared() -> None:
    other = p.rank(3)
    other["spec"]["containers"][0]["command"] = ["actor"]
    logs = {**{f"fit-{number}": lines(EVERY) for number in range(3)}, "fit-3": lines(STOPPED)}
    assert not ids(why(p.gang(), *RANKS[:3], other, logs=logs))
    assert ids(why(p.gang(), *RANKS, logs=logs)) == ["straggler"]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 9), st.floats(0.5, 120))
def test_of_ranks_that_go_in_step_none_is_behind(seed: int, count: int, pace_s: float) -> None:
    """Wherever each is within its step, however their clocks differ, and however late a log is read."""
    chance = random.Random(seed)
    logs = {}
    for number in range(count):
        skew = chance.uniform(-2, 2) + chance.uniform(0, pace_s)
        at = [(100 - step) * pace_s + skew for step in range(100)]
        logs[f"fit-{number}"] = lines([(ago, f"epoch 2 step {step}") for step, ago in enumerate(at)])
    assert "straggler" not in ids(why(p.gang(), *(p.rank(number) for number in range(count)), logs=logs))


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 15), st.integers(10, 200), st.integers(1, 60))
def test_a_rank_that_reports_more_seldom_is_not_behind(nth: int, epoch: int, ago: int) -> None:
    """The last report may have been just before the next one is due."""
    every = [(float(ago + 10 * (199 - step)), f"epoch {step // epoch} step {step % epoch}") for step in range(200)]
    logs = {**{f"fit-{number}": lines(every) for number in range(3)}, "fit-3": lines(every[::nth])}
    assert "straggler" not in ids(why(p.gang(), *RANKS, logs=logs))


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 9), st.integers(5, 60), st.integers(0, 8))
def test_whichever_rank_stands_is_the_one_that_is_named(count: int, until: int, which: int) -> None:
    logs = {f"fit-{number}": lines(EVERY) for number in range(count)}
    logs[f"fit-{which % count}"] = lines(EVERY[: until + 1])
    (cause,) = why(p.gang(), *(p.rank(number) for number in range(count)), logs=logs).causes
    assert cause.id == "straggler" and f"rank fit-{which % count} on" in cause.message


QUIET = "2026-11-20T10:02:00Z"


def test_ranks_that_all_stand_still_hang_and_the_one_that_got_less_far_is_named() -> None:
    logs = {f"fit-{number}": p.steps(200, 300, until=QUIET) for number in range(4)}
    (cause,) = why(p.gang(), *RANKS, logs=logs).causes
    assert (cause.id, cause.confidence) == ("hang", 0.6)
    assert "written nothing for 27m 59s" in cause.message and "less far" not in cause.message
    logs["fit-3"] = p.steps(200, 299, until="2026-11-20T10:01:50Z")
    (cause,) = why(p.gang(), *RANKS, logs=logs).causes
    assert "fit-3 on node n3 got less far than the others: 'step 299 loss 0.31'" in cause.message
    assert cause.remedy.startswith("kubectl exec fit-3 ")


@pytest.mark.parametrize(
    "logs",
    [
        {"fit-0": p.steps(200, 300, until="2026-11-20T10:25:00Z")},  # not for long
        {"fit-0": p.steps(200, 300, every_s=240, until=QUIET)},  # not for long where pauses are
        {"fit-0": p.steps(200, 300, until=QUIET, of="/300")},  # it is done, and saves what came of it
        {"fit-0": p.steps(200, 300, until=QUIET), "fit-1": "2026-11-20T10:29:00Z evaluated\n"},  # another one writes
        {"fit-0": p.steps(200, 300, until=QUIET), "fit-1": "evaluated\n"},  # nobody knows when
        {"fit-0": "2026-11-20T09:00:00Z ready\n"},  # it never said anything
        {},
    ],
    ids=["short", "slow", "done", "another-writes", "no-times", "mute", "no-logs"],
)
def test_silence_that_may_be_nothing_is_not_called_a_hang(logs: dict[str, str]) -> None:
    assert not ids(why(p.gang(), *RANKS, logs=logs))


# Steps of a run ------------------------------------------------------------------------------------
def step(*ranks: list[tuple[float, str]], context: str = "lab", wrote: float = 0) -> Snapshot:
    """Return a step that runs, by what its ranks have logged so many seconds ago."""
    run = {"kind": "Run", "metadata": {"name": "r", "uid": "r"}, "spec": {"context": context}}
    logged = [
        {"rank": number, "wroteAt": (NOW - timedelta(seconds=wrote)).isoformat(), "logged": [
            {"time": (NOW - timedelta(seconds=ago)).isoformat(), "at": float(said.split()[1])} for ago, said in marks]}
        for number, marks in enumerate(ranks)
    ]  # fmt: skip
    status = {"phase": "running", "ranks": logged}
    made = {
        "kind": "Step",
        "metadata": {"name": "r/fit/0", "namespace": p.NAMESPACE, "uid": "r/fit/0"},
        "status": status,
    }
    return p.picture(run, made)


def test_the_rank_of_a_step_that_is_behind_is_known_by_what_it_logged() -> None:
    (cause,) = of(step(EVERY, STOPPED, EVERY), "Step r/fit/0").causes
    assert (cause.id, cause.subject) == ("straggler", "Step team/r/fit/0")
    assert "rank r/fit/0/1 is behind the others" in cause.message
    assert cause.evidence[0].path == "status.ranks[1].logged[19].at" and cause.evidence[0].value == "19.0"
    assert cause.remedy.startswith("fairlead exec r/fit/0/1 -- py-spy dump --pid 1 ")
    (here,) = of(step(EVERY, STOPPED, context="local"), "Step r/fit/0").causes
    assert here.remedy.startswith("py-spy dump --pid ")


def test_a_step_whose_ranks_have_ceased_to_log_hangs_unless_they_write_on() -> None:
    assert ids(of(step(STOPPED, STOPPED, wrote=700), "Step r/fit/0")) == ["hang"]
    assert not ids(of(step(STOPPED, STOPPED, wrote=5), "Step r/fit/0"))
