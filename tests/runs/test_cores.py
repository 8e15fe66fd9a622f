"""Tasks that are done in several processes, or in one."""

from __future__ import annotations

import os

import pytest

from fairlead.runs.cores import in_order, on_cores


def scaled(factor: int, number: int) -> tuple[int, int]:
    if number < 0:
        raise ValueError(f"no task {number}")
    return factor * number, os.getpid()


@pytest.mark.parametrize("processes", [1, 2])
def test_every_task_is_done_once_and_its_number_tells_which_it_was(processes: int) -> None:
    found = dict(on_cores(scaled, 10, range(7), processes))

    assert {number: value for number, (value, _) in found.items()} == {number: 10 * number for number in range(7)}
    assert (os.getpid() in {process for _, process in found.values()}) is (processes == 1)


def test_one_task_needs_no_other_process() -> None:
    assert list(on_cores(scaled, 10, [3])) == [(0, (30, os.getpid()))]
    assert list(on_cores(scaled, 10, [])) == []


def test_what_fails_in_another_process_fails_here() -> None:
    with pytest.raises(ValueError, match="no task -1"):
        list(on_cores(scaled, 10, [1, -1, 2], 2))


def test_results_come_in_the_order_of_their_tasks_and_none_later_than_it_must() -> None:
    come = []

    def found():
        for number in (1, 0, 3, 4, 2):
            come.append(number)
            yield number, str(number)

    assert [(each, list(come)) for each in in_order(found())] == [
        ("0", [1, 0]), ("1", [1, 0]), ("2", [1, 0, 3, 4, 2]), ("3", [1, 0, 3, 4, 2]), ("4", [1, 0, 3, 4, 2]),
    ]  # fmt: skip
