"""Flows that stop half done at first, and can go on anywhere; copied out of the tests before they are run."""

from __future__ import annotations

import os
import time
import uuid
from typing import Any

import fairlead
from fairlead import Retries, first_of, flow, runtimes, space, step, sweep

FOREVER_S = 600


def attempt() -> int:
    return int(os.environ["FAIRLEAD_ATTEMPT"])


@step
def add(x: int, y: int = 1) -> int:
    return x + y


@step
def fail_first(x: Any) -> Any:
    if attempt() == 1:
        raise ValueError(f"{x} fails at first")
    return x


@step
def fail_first_if_odd(x: int) -> int:
    if x % 2 and attempt() == 1:
        raise ValueError(f"{x} fails at first")
    return x


@step
def numbers(count: int) -> list[int]:
    return list(range(count))


@step
def total(xs: list[int]) -> int:
    return sum(xs)


@step
def echo(value: Any) -> Any:
    return value


@flow
def chained(x: int = 1) -> Any:
    return add(fail_first(add.options(name="before")(x)), 10)


@flow
def half_mapped(count: int = 5) -> Any:
    return total(add.map(fail_first_if_odd.map(numbers(count))))


@flow
def length_known(count: int = 3) -> Any:
    gate: Any = fail_first("gate")
    return total(add.options(name="each").after(gate).map(numbers(count)))


@flow
def length_unknown(count: int = 3) -> Any:
    return total(add.map(numbers(fail_first(count))))


@flow
def conditions(score: float = 0.9) -> Any:
    scored: Any = echo({"score": score})
    late: Any = fail_first.options(name="late")({"score": score})
    good: Any = fail_first.options(name="good", when=scored["score"] > 0.5)("good")
    bad: Any = echo.options(name="bad", when=scored["score"] <= 0.5)("bad")
    later: Any = echo.options(name="later", when=late["score"] > 0.5)("later")
    never: Any = echo.options(name="never", when=late["score"] <= 0.5)("never")
    return [echo.options(name="joined")(first_of(bad, good)), echo.options(name="second")(first_of(never, later))]


@step
def equal(x: int) -> str:
    """Return something else every time."""
    return uuid.uuid4().hex


@flow
def equals(count: int = 3) -> Any:
    first = [equal(1) for _ in range(count)]
    gate: Any = fail_first("gate")
    return first + [equal.options(name="behind").after(gate)(1) for _ in range(count)]


@step
def fail_twice(x: int) -> int:
    if attempt() < 3:
        raise ValueError("fails once more")
    return x


@flow
def stubborn(x: int = 1) -> Any:
    return fail_twice(add(x))


@step
def stuck(x: int) -> int:
    """Never end in the first attempt."""
    if attempt() == 1:
        time.sleep(FOREVER_S)
    return x + attempt()


@flow
def stopped(x: int = 1) -> Any:
    return add.options(name="last")(stuck(add.options(name="first")(x)))


@step(retries=Retries(user=0, backoff="10ms"))
def train(epochs: int) -> str:
    """Leave two checkpoints, and fail."""
    folder = fairlead.checkpoint()
    newest = folder.latest()
    if newest is not None:
        return f"{newest.name.lstrip('0')} of attempt {attempt()}: {(newest / 'weights').read_text()}"
    for at in range(1, epochs + 1):
        with folder.save(at=at) as unfinished:
            (unfinished / "weights").write_text(f"weights of {at}")
    raise ValueError("fails at first")


@flow
def trained(epochs: int = 2) -> Any:
    return train(epochs)


# Code that is changed in between


@step
def source(x: int) -> int:
    return x * 1


@step
def parity(x: int) -> int:
    return x % 2


@step(cache=False)
def behind(x: int) -> str:
    return f"{x} {uuid.uuid4().hex}"


@flow
def changed(x: int = 3) -> Any:
    """Change `source`: what is behind `parity` is the same where the parity is."""
    kept = behind.options(name="kept")(parity(source(x)))
    again = behind.options(name="again")(source.options(name="other")(x))
    return [kept, again, behind.options(name="apart")(7), fail_first(0)]


# What needs pods that create others


@flow(dynamic=True)
def loop(goal: int = 20) -> int:
    number = 1
    while number < goal:
        number = add(number, number)
        if number == 4:
            add.map([1, 2])
            fail_first(number)
    return sum(add.map([number, number + 1]))


@step
def trial(x: int) -> int:
    """Be stuck at first for some values."""
    if x > 2 and attempt() == 1:
        time.sleep(FOREVER_S)
    fairlead.log(score=-((x - 3) ** 2))
    return x


@flow
def swept() -> Any:
    best = sweep(
        trial, over={"x": space.choice([1, 2, 3, 4])}, trials=4, parallel=4, maximize="score", sampler="grid"
    )()
    return [best.value, best.score]


@step(runtime=runtimes.torch(nodes=2))
def ranks(x: int) -> str:
    if attempt() == 1 and os.environ["RANK"] == "1":
        raise ValueError("rank 1 fails at first")
    return f"rank {os.environ['RANK']} of {os.environ['WORLD_SIZE']}"


@flow
def gang() -> Any:
    return echo(ranks(add(1)))
