"""A driver hears what its calls log, each value once, and nothing of calls that it does not follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fairlead import runtimes
from fairlead.engines.kubernetes.inside.listening import Listener
from fairlead.specs.graphs import Graph, Node
from fairlead.specs.steps import FunctionStep, Step
from fairlead.store.backends import Folder
from fairlead.store.layout import Task, metrics_key
from fairlead.store.progress import Instance, Progress
from fairlead.store.records import RunSpec, Started, as_number, encode
from fairlead.worker.calls import Calls
from fairlead.worker.context import LoggedLine
from fairlead.worker.tasks import Call, Followed

RUN = "r"
TRIAL = FunctionStep(name="trial", function="m:trial")
GRAPH = Graph(flow="f", steps={"drive": FunctionStep(name="drive", function="m:drive")}, nodes=(Node(step="drive"),))


class Heard:
    """A driver's end of the conversation."""

    def __init__(self, folder: Path) -> None:
        self.backend = Folder(folder)
        self.messages: list[Any] = []
        self.progress = Progress(GRAPH, lambda ref: 0)
        self.calls = Calls(RunSpec(run=RUN, created=0.0, graph=GRAPH), self.progress, self, self)
        self.driver = self.progress.instances_of(0)[0]
        self.calls.begin(self.driver, 0)
        self.listener = Listener(self.backend, RUN, self.calls)

    def add(self, observation: object) -> None:
        """Take down a call."""

    def send(self, identity: int, message: Any) -> None:
        self.messages.append(message)

    def call(self, position: int, *, follow: bool, step: Step = TRIAL) -> Instance:
        call = Call(id=0, position=position, identity=f"i{position}", step=step, inputs={}, source={}, follow=follow)
        self.calls.take(self.driver, call)
        instance = self.calls.instance_at(self.driver, position)
        assert instance is not None
        self.progress.apply(Started(step=instance.name, index=instance.index, number=1, time=1.0))
        return instance

    def log(self, instance: Instance, *losses: float, cut: int = 0, rank: int | None = None) -> None:
        lines = (
            encode(LoggedLine(1.0, {"loss": as_number(loss)}, float(at))) + b"\n" for at, loss in enumerate(losses)
        )
        data = b"".join(lines)
        key = metrics_key(RUN, Task(instance.name, instance.index, 1, rank))
        self.backend.put(key, data[: len(data) - cut])

    def values(self) -> list[tuple[int, float | None, float]]:
        found = [(each.position, each.at, each.values["loss"]) for each in self.messages if isinstance(each, Followed)]
        self.messages.clear()
        return found


@pytest.fixture
def heard(tmp_path: Path) -> Heard:
    return Heard(tmp_path)


def test_values_are_told_as_they_come_and_once(heard: Heard) -> None:
    trial = heard.call(0, follow=True)
    heard.listener.hear(trial, 1)
    assert heard.values() == []
    heard.log(trial, 3.0, 2.0, cut=5)  # the last line is not complete yet
    heard.listener.hear(trial, 1)
    assert heard.values() == [(0, 0.0, 3.0)]
    heard.log(trial, 3.0, 2.0, float("nan"))
    heard.listener.look()
    found = heard.values()
    assert found[0] == (0, 1.0, 2.0)
    assert (found[1][:2], found[1][2] != found[1][2], len(found)) == ((0, 2.0), True, 2)
    heard.listener.hear(trial, 1)
    assert heard.values() == []


def test_who_does_not_follow_is_not_asked_of_the_store(heard: Heard) -> None:
    silent, followed = heard.call(0, follow=False), heard.call(1, follow=True)
    for each in (silent, followed):
        heard.log(each, 1.0)
    heard.listener.look()
    assert heard.values() == [(1, 0.0, 1.0)]
    assert heard.calls.followed() == [followed]


def test_looks_are_a_second_apart(heard: Heard) -> None:
    trial = heard.call(0, follow=True)
    heard.log(trial, 1.0)
    heard.listener.look()
    heard.log(trial, 1.0, 2.0)
    heard.listener.look()
    assert heard.values() == [(0, 0.0, 1.0)]


def test_of_a_gang_rank_0_is_heard(heard: Heard) -> None:
    step = FunctionStep(name="trial", function="m:trial", runtime=runtimes.torch(nodes=2))
    trial = heard.call(0, follow=True, step=step)
    heard.log(trial, 5.0, rank=1)
    heard.log(trial, 4.0, rank=0)
    heard.listener.look()
    assert heard.values() == [(0, 0.0, 4.0)]
