"""Running an example as a reader would: by the command, in a process and with a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from fairlead.store.opened import Store

REPOSITORY = Path(__file__).parents[2]


class Example:
    """One of ``examples/``, with a home in which its runs lie."""

    def __init__(self, file: str, home: Path) -> None:
        self.file = REPOSITORY / "examples" / file
        self.home = home

    def run(self, *flags: str) -> dict[str, Any]:
        """Run it with flags; returns the run's document."""
        done = subprocess.run(
            [sys.executable, "-m", "fairlead", "run", str(self.file), *flags, "-o", "json"],
            env=os.environ | {"PYTHONPATH": str(REPOSITORY / "src"), "FAIRLEAD_HOME": str(self.home)},
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def value(self, document: dict[str, Any], name: str, index: int = 0, output: int = 0) -> Any:
        """Load what a step of a run returned."""
        from fairlead.specs.values import Ref

        ref = step(document, name, index)["artifacts"][output]
        return Store(str(self.home), self.home / "host").values.load(Ref(**ref))


def step(document: dict[str, Any], name: str, index: int = 0) -> dict[str, Any]:
    """Return one step of a run's document."""
    found: dict[str, Any] = next(each for each in document["steps"] if (each["name"], each["index"]) == (name, index))
    return found
