"""The command line's entry: light to start, and clear about commands that do not exist."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fairlead.cli.main import VERBS
from finished import Command, Finished

HEAVY = (
    "fairlead.runs",
    "fairlead.store",
    "msgspec",
    "sqlalchemy",
    "yaml",
    "rich",
    "numpy",
    "asyncio",
    "importlib.metadata",
)


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_help_names_every_command_and_imports_nothing_heavy(finished: Finished, arguments: tuple[str, ...]) -> None:
    code = f"import sys; from fairlead.cli.main import call; call({arguments!r}); print(sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], env=finished.project.environment, capture_output=True, text=True, check=True
    )
    *text, modules = done.stdout.splitlines()
    assert [verb for verb in VERBS if not any(line.startswith(f"  {verb} ") for line in text)] == []
    assert [name for name in HEAVY if f"'{name}'" in modules] == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_explains_itself(command: Command, verb: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    with pytest.raises(SystemExit) as ended:
        command(verb, "--help")
    assert ended.value.code == 0
    assert capsysbinary.readouterr().out.decode().startswith(f"usage: fairlead {verb}")


def test_an_unknown_command_names_the_nearest(command: Command) -> None:
    shown = command("log")
    assert (shown.code, shown.out) == (2, "")
    assert "there is no command 'log'" in shown.err and "did you mean 'logs'" in shown.err


def test_options_are_not_abbreviated(command: Command) -> None:
    assert command("ps", "--lim", "3").code == 2


def test_a_reader_that_goes_away_is_no_error(finished: Finished) -> None:
    program = f"{sys.executable} -m fairlead logs {finished.first} | head -c 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", program], env=finished.project.environment, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"l", b"")
