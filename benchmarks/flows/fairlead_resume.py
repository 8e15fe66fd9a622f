"""Many steps in parallel, each of which starts once."""

from fairlead import flow, step


@step(cache=False)
def square(x: int) -> int:
    return x * x


@flow
def many(n: int = 10_000):
    square.map(list(range(n)))
