"""The small flows that an engine's conformance suite runs; no examples of good flows.

`fairlead.testing.engines` copies this file out of the package before it runs it, since what lies within the
package is no user's code.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from dataclasses import dataclass
from typing import Any

import fairlead
from fairlead import Retries, first_of, flow, runtimes, space, step, sweep

FOREVER_S = 600
"""Longer than any test waits: a step that sleeps so long has to be stopped."""


@dataclass
class Point:
    """A value of a class of the user's own."""

    x: int
    y: float


def attempt() -> int:
    """Return the number of the attempt that runs."""
    return int(os.environ["FAIRLEAD_ATTEMPT"])


def environment(*prefixes: str) -> dict[str, str]:
    """Return the variables whose names begin so."""
    return {name: value for name, value in os.environ.items() if name.startswith(prefixes)}


@step
def echo(value: Any) -> Any:
    """Return what is given."""
    return value


@step
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@step
def total(numbers: list[int]) -> int:
    """Add up a list."""
    return sum(numbers)


@step
def count_to(n: int) -> list[int]:
    """Return the numbers below n."""
    return list(range(n))


@step
def divide(a: int, b: int) -> tuple[int, int]:
    """Return quotient and remainder."""
    return a // b, a % b


@step
def fail(message: str = "as it was told to") -> int:
    """Fail."""
    raise ValueError(message)


# Values


@flow
def values() -> Any:
    """Hand values of many types through a step, and give them back."""
    kept = (
        3,
        2.5,
        "naïve ☃",
        True,
        None,
        b"\x00\xff",
        [1, [2]],
        {"a": {"b": [1]}},
        Point(1, 0.5),
        {1, 2},
        (1, 2),
        2**70,
    )
    return [echo(value) for value in kept]


@flow
def several_outputs(a: int = 17, b: int = 5) -> Any:
    """Use each of two outputs, and a part of a value."""
    quotient, remainder = divide(a, b)
    held = echo({"answer": [40, 42]})
    return {"sum": add(quotient, remainder), "part": add(held["answer"][1], 0), "remainder": remainder}


@flow
def repeated(times: int = 3) -> Any:
    """Call one step several times."""
    number: Any = 0
    for _ in range(times):
        number = add(number)
    return number


@flow
def inner(x: int = 0) -> Any:
    """Be a part of another flow."""
    return add(add(x))


@flow
def nested(x: int = 5) -> Any:
    """Hold the same flow twice."""
    return add(inner(x), inner(x))


# Maps


@step
def slow_first(item: int, offset: int = 100) -> int:
    """Take the longer the smaller the item is."""
    time.sleep(0.1 if item == 0 else 0)
    return item + offset


@flow
def static_map() -> Any:
    """Map over a list that is known, and one value for all."""
    return slow_first.map([0, 1, 2, 3], offset=10)


@flow
def dynamic_map(n: int = 3) -> Any:
    """Map over a list that a step returns, and add up what comes."""
    return total(add.map(count_to(n)))


@step
def refuse_two(item: int) -> int:
    """Fail for one item."""
    if item == 2:
        raise ValueError("two is refused")
    return item


@flow
def item_by_item(n: int = 4) -> Any:
    """Map over a map: what becomes of one item concerns its own successor only."""
    refused = refuse_two.map(count_to(n))
    return {"each": add.map(refused), "all": total(refused)}


# Order and conditions


@step
def publish(name: str) -> str:
    """Return the name."""
    return name


@flow
def branches(score: float = 0.95) -> Any:
    """Take one of two branches, and join them."""
    scored: Any = echo({"score": score, "kind": "new"})
    good = publish.options(name="good", when=scored["score"] > 0.9)("good")
    bad = publish.options(name="bad", when=~(scored["score"] > 0.9))("bad")
    both = publish.options(name="both", when=(scored["score"] > 0.9) & scored["kind"].isin(["new"]))("both")
    after_bad = publish.options(name="after-bad")(bad)
    joined: Any = publish.options(name="joined")(first_of(bad, good))
    return {"joined": joined, "others": echo(first_of(both, after_bad))}


@flow
def ordered() -> Any:
    """Order steps without data; what follows a failed one is blocked."""
    before: Any = echo.options(name="before")("first")
    publish.options(name="behind").after(before)("behind")
    failed: Any = fail()
    publish.options(name="blocked").after(failed)("blocked")


@flow
def blocked() -> Any:
    """Fail in one branch, and go on in another."""
    failed: Any = fail("the cause")
    behind = add.options(name="behind")(failed)
    add.options(name="further")(behind)
    return add.options(name="independent")(add.options(name="independent-too")(1))


# Options, environment, seeds


@step(variables={"GREETING": "hello"})
def surroundings() -> dict[str, str]:
    """Return what the environment says."""
    return environment("FAIRLEAD_", "GREETING")


@flow
def options() -> Any:
    """Change options of a step."""
    return [surroundings(), surroundings.options(name="louder", variables={"GREETING": "HELLO"})()]


@step(retries=Retries(user=1, backoff="10ms"))
def draw(item: int) -> dict[str, Any]:
    """Draw from both global random states; the first item does so in a second attempt."""
    if item == 0 and attempt() == 1:
        raise ValueError("once more")
    drawn: dict[str, Any] = {"seed": int(os.environ["FAIRLEAD_SEED"]), "random": random.random()}
    try:
        import numpy
    except ImportError:
        return drawn
    return {**drawn, "numpy": float(numpy.random.random())}


@flow
def seeds() -> Any:
    """Draw in several instances."""
    return draw.map([0, 1, 2])


# Ends


@step
def end(how: str) -> str:
    """End in many ways."""
    sys.stdout.write(f"about to end by {how}\n")
    sys.stdout.flush()
    match how:
        case "segfault":
            signal.raise_signal(signal.SIGSEGV)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "os._exit":
            os._exit(3)
        case "sys.exit":
            sys.exit(4)
        case "raise":
            _deeper(how)
    return how


def _deeper(how: str) -> None:
    raise LookupError(f"{how} was asked for\nwith a second line")


@step
def behind(how: str) -> str:
    """Come after."""
    return how


@flow
def ends() -> Any:
    """End in every way at once, and once well."""
    return behind.map(end.map(["segfault", "kill", "os._exit", "sys.exit", "raise", "well"]))


@step
def wrong() -> int:
    """Return what the annotation denies."""
    result: Any = "a text"
    return result  # type: ignore[no-any-return]  # the fault is meant


@step
def unfit() -> Any:
    """Return what nothing can hold."""
    return (lambda: 0), open(os.devnull)  # the process ends at once


@flow
def wrong_results() -> Any:
    """Return what can't be."""
    wrong()
    unfit()


@step(retries=Retries(user=2, backoff="300ms", factor=1.0))
def flaky(good: int) -> int:
    """Fail until some attempt."""
    sys.stdout.write(f"attempt {attempt()}\n")
    if attempt() < good:
        raise ValueError(f"attempt {attempt()} fails")
    return attempt()


@flow
def retried(good: int = 3) -> Any:
    """Try several times, and once only where nobody asked for more."""
    fail()
    return flaky(good)


@step(timeout="1s")
def too_slow() -> None:
    """Take longer than is allowed."""
    time.sleep(FOREVER_S)


@flow
def timed_out() -> Any:
    """Run into a timeout, beside a step that does not."""
    add.options(timeout="10m")(1)
    return too_slow()


# Cancel and resume


@step
def stuck(x: int) -> int:
    """Never end in the first attempt."""
    if attempt() == 1:
        time.sleep(FOREVER_S)
    return x + attempt()


@flow
def stopped(x: int = 1) -> Any:
    """Get stuck between two steps."""
    return add.options(name="last")(stuck(add.options(name="first")(x)))


@step
def fail_first(x: int) -> int:
    """Fail in the first attempt."""
    if attempt() == 1:
        raise ValueError("fails at first")
    return x


@flow
def resumable(n: int = 3) -> Any:
    """Fail beside and between steps that succeed."""
    numbers = add.map(count_to(n))
    return total.options(name="last")(fail_first.map(numbers))


# Dynamic flows


@flow(dynamic=True)
def loop(goal: int = 20) -> int:
    """Loop until something holds, and fan out."""
    number = 1
    while number < goal:
        number = add(number, number)
    return sum(add.map([number, number + 1]))


@flow(dynamic=True)
def forgiving() -> str:
    """Go on after a step that failed."""
    try:
        fail("to be caught")
    except fairlead.FairleadError as error:
        return f"caught: {error}"
    return "nothing was raised"


@flow(dynamic=True)
def replayed(x: int = 1) -> int:
    """Die after two calls, and make them again when resumed."""
    number = add(x)
    numbers = add.map([number, number])
    if attempt() == 1:
        os._exit(9)
    return add(sum(numbers), number)


@flow
def outer(x: int = 1) -> Any:
    """Hold a dynamic flow between two steps."""
    return add(loop(add(x)))


# Sweeps


@step
def trial(x: int, worst: int = 99) -> dict[str, int]:
    """Log a score that is best for 3."""
    if x == worst:
        raise ValueError(f"{x} is not possible")
    fairlead.log(score=-((x - 3) ** 2) - 10, at=0)
    fairlead.log(score=-((x - 3) ** 2), at=1)
    return {"x": x}


@flow
def swept(worst: int = 99) -> Any:
    """Sweep over a few values, all of which are tried."""
    options = {"x": space.choice([1, 2, 3, 4])}
    best = sweep(trial, over=options, trials=4, parallel=2, maximize="score", sampler="grid")(worst=worst)
    return {"value": best.value, "parameters": best.parameters, "score": best.score}


@flow
def failing_sweep() -> Any:
    """Sweep with no trial that succeeds."""
    return sweep(trial, over={"x": [1]}, trials=1, minimize="score", sampler="random")(worst=1).value


# Gangs


@step(runtime=runtimes.torch(nodes=2, processes_per_node=2))
def ranks() -> str:
    """Say in each rank's log where it is; what rank 0 returns counts."""
    _print_environment()
    return f"from rank {os.environ['RANK']}"


@step
def rank_of_kind() -> None:
    """Say in each rank's log where it is."""
    _print_environment()


def _print_environment() -> None:
    names = ("RANK", "LOCAL_", "WORLD_SIZE", "NODE_RANK", "GROUP_RANK", "MASTER_", "TF_CONFIG", "OMPI_", "DMLC_")
    print(json.dumps(environment(*names, "FAIRLEAD_")))


@flow
def gang() -> Any:
    """Run a gang of four."""
    return ranks()


@flow
def kinds() -> Any:
    """Run a gang of two in each runtime of ranks."""
    rank_of_kind.options(name="torch", runtime=runtimes.torch(nodes=2))()
    rank_of_kind.options(name="jax", runtime=runtimes.jax(nodes=2))()
    rank_of_kind.options(name="tensorflow", runtime=runtimes.tensorflow(nodes=2))()
    rank_of_kind.options(name="mpi", runtime=runtimes.mpi(nodes=2))()
    rank_of_kind.options(name="xgboost", runtime=runtimes.xgboost(nodes=2))()


@step(runtime=runtimes.torch(nodes=2), retries=Retries(user=1, backoff="10ms"))
def broken_gang() -> str:
    """Lose rank 1 in the first attempt, while rank 0 waits for it."""
    print(f"rank {os.environ['RANK']} of attempt {attempt()}", flush=True)
    if attempt() == 1:
        if os.environ["RANK"] == "1":
            os._exit(3)
        time.sleep(FOREVER_S)
    return "whole"


@flow
def broken() -> Any:
    """Run the gang that breaks."""
    return broken_gang()


# What steps tell


@step
def talk(lines: int) -> None:
    """Write to both streams, in order, and bytes that are no UTF-8."""
    for number in range(lines):
        print(f"line {number}", file=sys.stderr if number % 10 == 9 else sys.stdout)
    sys.stdout.flush()
    os.write(1, b"\xff\xfe\x00 no text\n")
    os.system("echo from a child process")


@flow
def talkative(lines: int = 2000) -> Any:
    """Write much."""
    talk(lines)


@step
def measured(epochs: int) -> None:
    """Log metrics and progress."""
    for epoch in range(epochs):
        fairlead.log(loss=1 / (epoch + 1), accuracy=epoch / 10, at=epoch)
        fairlead.progress(epoch + 1, epochs)


@flow
def metrics(epochs: int = 4) -> Any:
    """Log."""
    measured(epochs)


@step(retries=Retries(user=1, backoff="10ms"))
def continued() -> str:
    """Leave two checkpoints and a half to the next attempt."""
    folder = fairlead.checkpoint()
    newest = folder.latest()
    if newest is not None:
        return (newest / "weights").read_text()
    for at in (9, 10):
        with folder.save(at=at) as unfinished:
            (unfinished / "weights").write_text(f"weights of {at}")
    with folder.save(at=11) as unfinished:
        (unfinished / "weights").write_text("half of")
        os._exit(1)


@flow
def checkpoints() -> Any:
    """Go on from a checkpoint."""
    return continued()


# The cache


@step
def costly(token: str, amount: int) -> str:
    """Be worth keeping."""
    fairlead.log(amount=amount)
    return f"{token} {amount}"


@step(cache=False)
def fickle(token: str) -> str:
    """Be executed each time."""
    return token


@flow
def cached(token: str, amount: int = 1) -> Any:
    """Keep some results."""
    fickle(token)
    return behind(costly(token, amount))
