"""Small projects of users in folders of their own, run by the command line in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
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

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text in a file that has it."""
        path = self.folder / name
        text = path.read_text("utf-8")
        assert old in text, (name, old)
        path.write_text(text.replace(old, new), "utf-8")

    def call(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run ``fairlead`` with arguments in the project's folder."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("FAIRLEAD_")}
        environment |= {"PYTHONPATH": str(SOURCE), "FAIRLEAD_HOME": str(self.home), **variables}
        return subprocess.run(
            [sys.executable, "-m", "fairlead", *arguments],
            cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def document(self, *arguments: str, code: int = 0, **variables: str) -> Any:
        """Run ``fairlead … -o json`` and return the document it prints."""
        done = self.call(*arguments, "-o", "json", **variables)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    def run(self, *arguments: str, file: str = "flow.py", **variables: str) -> str:
        """Run the flow, which must succeed; returns the run's id."""
        return str(self.document("run", file, *arguments, **variables)["run"])
