"""The reference of the command line: up to date, and with every command and exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fairlead.cli.main import EXIT_CODES, VERBS
from fairlead.errors import FairleadError

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_parsers_give() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "cli_reference.py"), "--check"],
        env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), "run: python tools/cli_reference.py"


def test_every_command_has_a_section() -> None:
    page = (ROOT / "docs" / "cli.md").read_text("utf-8")
    assert [verb for verb in VERBS if f"\n## fairlead {verb}\n" not in page] == []


def test_every_error_ends_with_a_code_of_the_table() -> None:
    found, kinds = set(), [FairleadError]
    while kinds:
        kind = kinds.pop()
        found.add(kind.exit_code)
        kinds += kind.__subclasses__()
    assert found <= EXIT_CODES.keys()
