"""The page on notebooks, executed by a real kernel."""

from __future__ import annotations

import re
from pathlib import Path

from .conftest import Notebook

PAGE = Path(__file__).parents[2] / "docs" / "notebooks.md"


def test_page_does_what_it_says(notebook: Notebook) -> None:
    blocks = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert {kind for kind, _ in blocks} == {"python", "text"}
    printed = ""
    for kind, block in blocks:
        if kind == "python":
            printed = notebook.ok(block).printed
        else:
            assert printed == block
