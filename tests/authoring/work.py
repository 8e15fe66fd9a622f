"""Steps at the top level of a module, for the tests of flows."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fairlead import container, flow, step

if TYPE_CHECKING:
    from nowhere import Frame


class Colour(Enum):
    RED = 1
    GREEN = 2


@step
def load(rows: int = 3) -> list[int]:
    return list(range(rows))


@step
def double(x: int) -> int:
    return 2 * x


@step
def scaled(x: float, by: float = 2.0, *, name: str = "n") -> float:
    return x * by


@step
def joined(xs: list[int], text: str = "") -> str:
    return text + str(xs)


@step
def split(xs: list[int]) -> tuple[list[int], str]:
    return xs, "rest"


@step
def report(x: Any) -> dict[str, float]:
    return {"accuracy": float(x)}


@step
def anything(x: Any, y: Any = None) -> Any:
    return x


@step
def add(x: int, y: int) -> int:
    return x + y


@step
def framed(frame: Frame, rows: int) -> tuple[Frame, dict[str, Frame]]:
    return frame, {}


@step
def trial(data: list[int], lr: float, depth: int = 3, kind: str = "a") -> dict[str, float]:
    return {"score": lr * depth}


boxed = container("boxed", image="busybox:1", command=["cat", "{a}"], parameters=["a", "b"])


@flow(name="inner")
def inner(x: int, by: float = 2.0) -> float:
    return scaled(double(x), by=by)


@flow(dynamic=True)
def driven(limit: int = 3) -> tuple[int, str]:
    return limit, "done"


@flow
def flagged(
    count: int = 1,
    rate: float = 0.5,
    deep: bool = False,
    title: str = "t",
    place: Path = Path("."),
    mode: Literal["fast", "slow"] = "fast",
    colour: Colour = Colour.RED,
    most: int | None = None,
    sizes: list[int] = [],  # noqa: B006  # as users write it
    pair: tuple[int, int] = (1, 2),
    table: dict[str, float] = {},  # noqa: B006  # as users write it
    plain=3,  # type: ignore[no-untyped-def]
    free=None,
) -> None:
    return None
