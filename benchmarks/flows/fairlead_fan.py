"""A fan-out over n items and one step that checks what came back."""

from fairlead import flow, step


@step
def square(x: int) -> int:
    return x * x


@step
def check(squares: list[int], n: int) -> int:
    total = sum(squares)
    if total != sum(x * x for x in range(n)):
        raise ValueError(f"wrong sum {total}")
    return total


@flow
def fan(n: int = 10_000):
    check(square.map(range(n)), n)
