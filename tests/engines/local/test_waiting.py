"""The line of steps that wait for room."""

from __future__ import annotations

from fairlead.engines.local.capacity import Amount, Capacity, Machine
from fairlead.engines.local.waiting import PASSES_MAX, WaitingLine
from fairlead.specs.resources import Resources
from fairlead.specs.steps import FunctionStep
from fairlead.store.progress import Instance


def waiting(name: str, cpu: int, index: int = 0) -> Instance:
    step = FunctionStep(name=name, function=f"flow:{name}", resources=Resources(cpu=cpu))
    return Instance(name, index, step)


def machine(cores: int) -> Capacity:
    return Capacity(Machine(Amount(cores * 1000, 2**30, 0)))


def test_what_fits_is_taken_in_the_order_it_came() -> None:
    line = WaitingLine(machine(3))
    for index in range(5):
        line.add(waiting("small", 1, index))
    assert [instance.index for instance, _, _ in line.take()] == [0, 1, 2]
    assert len(line) == 2


def test_many_of_one_size_hide_nobody_behind_them() -> None:
    line = WaitingLine(machine(2))
    for index in range(100):
        line.add(waiting("wide", 2, index))
    line.add(waiting("narrow", 1))
    taken = [instance.name for instance, _, _ in line.take()]
    assert taken == ["wide"]
    line = WaitingLine(capacity := machine(2))
    assert capacity.take(Amount(1000, 0, 0)) is not None
    for index in range(100):
        line.add(waiting("wide", 2, index))
    line.add(waiting("narrow", 1))
    assert [instance.name for instance, _, _ in line.take()] == ["narrow"]


def test_a_wide_step_is_held_a_place_for_after_others_have_gone_past() -> None:
    capacity = machine(2)
    line = WaitingLine(capacity)
    assert capacity.take(Amount(1000, 0, 0)) is not None  # a step that runs and runs
    line.add(waiting("wide", 2))
    past = 0
    for index in range(10 * PASSES_MAX):
        line.add(waiting("narrow", 1, index))
        taken = list(line.take())
        if not taken:
            break
        past += 1
        for _, amount, gpus in taken:
            capacity.give_back(amount, gpus)
    assert past == PASSES_MAX
    capacity.give_back(Amount(1000, 0, 0), ())
    assert next(line.take())[0].name == "wide"


def test_what_was_cancelled_while_it_waited_is_left_out() -> None:
    line = WaitingLine(machine(1))
    gone = waiting("gone", 1)
    line.add(gone)
    line.add(waiting("next", 1))
    gone.status = "cancelled"
    assert [instance.name for instance, _, _ in line.take()] == ["next"]
