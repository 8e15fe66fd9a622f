"""The pages of docs/ as blocks: files and flows, code, and commands with their exit codes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[2] / "docs"
PAGES = sorted(FOLDER.glob("**/*.md"))

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# ([\w-]+\.\w+)\n")
_EXIT = re.compile(r"\s+# exits with (\d+)$")
_FLOW = re.compile(r"^@flow\b.*\ndef (\w+)", re.MULTILINE)


class File(NamedTuple):
    """A block that begins with ``# NAME.py``: it is written to a file of that name."""

    name: str
    text: str

    @property
    def flows(self) -> list[str]:
        """The names of the flows it defines."""
        return _FLOW.findall(self.text)


class Code(NamedTuple):
    """Any other block of Python: it is executed."""

    text: str


class Command(NamedTuple):
    """A line ``$ command`` of a console block, and the exit code it must have."""

    text: str
    code: int


def blocks(page: Path) -> Iterator[File | Code | Command]:
    """Yield what a page shows, in order."""
    for language, text in _FENCE.findall(page.read_text("utf-8")):
        if language == "python":
            named = _FILE.match(text)
            yield File(named[1], text) if named else Code(text)
        elif language in ("toml", "yaml") and (named := _FILE.match(text)):
            yield File(named[1], text)
        elif language == "console":
            yield from _commands(text)


def _commands(text: str) -> Iterator[Command]:
    for line in text.splitlines():
        if line.startswith("$ "):
            found = _EXIT.search(line)
            yield Command(_EXIT.sub("", line[2:]), int(found[1]) if found else 0)
