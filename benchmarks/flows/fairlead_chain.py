"""A chain of n steps, the last of which checks the result."""

from fairlead import flow, step


@step
def inc(x: int) -> int:
    return x + 1


@step
def check(x: int, n: int) -> int:
    if x != n - 1:
        raise ValueError(f"expected {n - 1}, got {x}")
    return x


@flow
def chain(n: int = 1000):
    x = 0
    for _ in range(n - 1):
        x = inc(x)
    check(x, n)
