"""Every example of the documentation runs: files are written, flows are run, code is executed, commands end as said."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from docs.pages import FOLDER, PAGES, Code, Command, File, blocks

SOURCE = Path(__file__).parents[2] / "src"


class Workplace:
    """A folder in which a page's examples are tried as a reader would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        programs = folder / "bin"
        programs.mkdir()
        for name, words in {"fairlead": "-m fairlead", "python": ""}.items():
            (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
            (programs / name).chmod(0o755)
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("FAIRLEAD_")},
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{SOURCE}{os.pathsep}{self.folder}",
            "FAIRLEAD_HOME": str(folder / "home"),
        }

    def run(self, words: list[str], code: int = 0) -> None:
        done = subprocess.run(
            words, cwd=self.folder, env=self._environment, capture_output=True, text=True, timeout=120, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == code, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"


ELSEWHERE = ("notebooks",)
"""Pages whose blocks are cells: tests/notebook executes them in a kernel."""
TRIED = [page for page in (*PAGES, FOLDER.parent / "README.md") if page.stem not in ELSEWHERE]


@pytest.mark.parametrize("page", TRIED, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path) -> None:
    workplace = Workplace(tmp_path)
    found = list(blocks(page))
    said = " ".join(block.text for block in found if isinstance(block, Command))
    for number, block in enumerate(found):
        if isinstance(block, Command):
            workplace.run(["sh", "-c", block.text], block.code)
        elif isinstance(block, Code):
            (workplace.folder / f"block_{number}.py").write_text(block.text, "utf-8")
            workplace.run([sys.executable, "-W", "error", f"block_{number}.py"])
        elif isinstance(block, File):
            (workplace.folder / block.name).write_text(block.text, "utf-8")
            for flow in block.flows if block.name not in said else ():
                workplace.run(["fairlead", "run", f"{block.name}:{flow}"])
