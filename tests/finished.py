"""Finished runs of a small project, for the tests of commands that look at runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from projects import Project

FLOW = """
    import os
    import sys
    from pathlib import Path

    import fairlead
    from fairlead import flow, step

    @step
    def load(rows: int) -> list[int]:
        print("loading", rows)
        sys.stdout.buffer.write(b"raw \\xff\\xfe byte\\n")
        sys.stdout.write("no end")
        return list(range(rows))

    @step(cache=False)
    def square(x: int) -> int:
        print("squaring", x)
        return x * x

    @step(retries=1, cache=False)
    def flaky(rows: int) -> tuple[str, bytes]:
        fairlead.log(accuracy=rows / 10)
        print("trying")
        if os.environ["FAIRLEAD_ATTEMPT"] == "1":
            raise ValueError("only once")
        return "text äö", b"\\xff\\x00"

    @step
    def report(rows: int) -> Path:
        Path("report.md").write_text("# Report\\n")
        return Path("report.md")

    @step
    def pages(rows: int) -> Path:
        Path("site/deep").mkdir(parents=True, exist_ok=True)
        Path("site/deep/page.txt").write_text("page")
        return Path("site")

    @step
    def broken(rows: int) -> int:
        raise ValueError("no rows")

    @step
    def after(x: int) -> int:
        return x

    @flow
    def good(rows: int = 3):
        square.map(load(rows))
        flaky(rows), report(rows), pages(rows)

    @flow
    def bad(rows: int = 3):
        return after(broken(rows))
"""


class Called(NamedTuple):
    """What a command gave."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Its standard output as JSON."""
        return json.loads(self.out)


class Finished(NamedTuple):
    """A project with three runs: one, the same again with cached steps, and one that failed."""

    project: Project
    first: str
    again: str
    failed: str


Command = Callable[..., Called]
