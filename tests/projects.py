"""Small projects of users in folders of their own, run by the command line in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fairlead.store.opened import Store

SOURCE = Path(__file__).parents[1] / "src"


class Project:
    """A folder with a flow's file, and a home for what its runs leave.

    Args:
        folder: An empty folder.
        files: Text by name.
    """

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        self.folder = folder / "project"
        self.home = folder / "home"
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), "utf-8")

    @property
    def store(self) -> Store:
        """The store of its runs."""
        return Store(str(self.home), self.home / "host")

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a process that works on this project."""
        outside = {key: value for key, value in os.environ.items() if not key.startswith("FAIRLEAD_")}
        return outside | {"PYTHONPATH": str(SOURCE), "FAIRLEAD_HOME": str(self.home)}

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text in a file that has it."""
        path = self.folder / name
        text = path.read_text("utf-8")
        assert old in text, (name, old)
        path.write_text(text.replace(old, new), "utf-8")

    def call(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run ``fairlead`` with arguments in the project's folder."""
        return subprocess.run(
            [sys.executable, "-m", "fairlead", *arguments],
            cwd=self.folder, env=self.environment | variables, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    @contextmanager
    def started(self, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start ``fairlead`` with arguments, and kill it at the end where it is still there."""
        process = subprocess.Popen(
            [sys.executable, "-m", "fairlead", *arguments],
            cwd=self.folder, env=self.environment | variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait(30)

    def wait_for_log(self, timeout_s: float = 30) -> str:
        """Wait until a step of a run has written something; returns the run's id."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            for log in self.home.glob("runs/*/logs/*"):
                if log.stat().st_size:
                    return log.parents[1].name
            time.sleep(0.02)
        raise TimeoutError("no step has written anything")

    def document(self, *arguments: str, code: int = 0, **variables: str) -> Any:
        """Run ``fairlead … -o json`` and return the document it prints."""
        done = self.call(*arguments, "-o", "json", **variables)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    def run(self, *arguments: str, file: str = "flow.py", **variables: str) -> str:
        """Run the flow, which must succeed; returns the run's id."""
        return str(self.document("run", file, *arguments, **variables)["run"])
