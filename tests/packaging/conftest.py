"""Small projects in folders of their own, imported and digested by fresh processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parents[2] / "src"

PRELUDE = """
import json, sys
from pathlib import Path
from fairlead.errors import UsageError
from fairlead.packaging.loading import import_project
from fairlead.packaging.project import find_project
from fairlead.packaging.sources import import_closure, source_parts

def load(file="flow.py", contents=None, **options):
    return import_project(find_project(Path(file)), contents, **options)

def parts(name="work", file="flow.py"):
    project = find_project(Path(file))
    value = import_project(project)
    for each in name.split("."):
        value = getattr(value, each)
    return source_parts(value, project)

def edit(file, old, new):
    text = Path(file).read_text()
    assert old in text, (file, old)
    Path(file).write_text(text.replace(old, new))

def refused(call):
    try:
        call()
    except UsageError as error:
        return [str(error), error.where, type(error.__cause__).__name__]
    raise AssertionError("was not refused")
"""


class Workplace:
    """A folder with a user's project in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, **files: str) -> None:
        """Write files; in a name ``__`` stands for a slash and ``.py`` is added."""
        for name, text in files.items():
            self.put(f"{name.replace('__', '/')}.py", text)

    def put(self, name: str, text: str = "") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    def run(self, script: str, seed: str = "random") -> Any:
        """Run a script in a fresh process and return what its variable `result` holds at the end."""
        code = f"{PRELUDE}\n{textwrap.dedent(script)}\nprint(json.dumps(result))"
        environment = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONHASHSEED": seed, "PYTHONSAFEPATH": "1"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def changed(self, *edits: tuple[str, str, str], name: str = "work", file: str = "flow.py") -> set[str]:
        """Return the parts of a function's key that an edit changes, adds or removes."""
        before, after = self.run(
            f"""
            before = parts({name!r}, {file!r})
            for each in {edits!r}:
                edit(*each)
            result = [before, parts({name!r}, {file!r})]
            """
        )
        return {part for part in before | after if before.get(part) != after.get(part)}


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Workplace]:
    yield Workplace(tmp_path)
