"""Completion: what is offered, and that a real shell offers it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from finished import Command, Finished


def offered(command: Command, *words: str) -> list[str]:
    return command("_complete", *words).out.splitlines()


def test_commands_options_and_choices_are_offered(command: Command) -> None:
    assert offered(command, "res") == ["resume"]
    assert "--grep" in offered(command, "logs", "--")
    assert offered(command, "get", "latest", "-o", "y") == ["yaml"]
    assert offered(command, "artifacts", "") == ["ls", "get", "open"]
    assert offered(command, "artifacts", "get", "--t") == ["--to"]
    assert offered(command, "completion", "b") == ["bash"]


def test_runs_are_offered_newest_first_and_steps_after_a_slash(finished: Finished, command: Command) -> None:
    assert offered(command, "get", "") == ["latest", finished.failed, finished.again, finished.first]
    assert offered(command, "logs", f"{finished.first}/f") == [f"{finished.first}/flaky"]
    assert offered(command, "artifacts", "get", "lat") == ["latest/"]
    assert offered(command, "logs", "--tail", "3", "lat") == ["latest"]


@pytest.mark.parametrize("words", [("nothing", ""), ("logs", "nothing/"), ("get", "latest", ""), ("run", "")])
def test_nothing_is_offered_where_nothing_is_known(command: Command, words: tuple[str, ...]) -> None:
    assert offered(command, *words) == []


def test_no_runs_are_offered_in_a_new_home(command: Command, tmp_path: Path) -> None:
    assert command("_complete", "get", "", home=tmp_path) == (0, "", "")


BASH = """
source <({program} completion bash)
complete_words() {{
    COMP_WORDS=({program} "$@"); COMP_CWORD=$#
    _fairlead {program}
    printf '%s\\n' "${{COMPREPLY[@]}}"
}}
complete_words res
complete_words get -o j
complete_words logs {run}/fl
complete -p fairlead >/dev/null && echo registered
"""


ZSH = """
compdef() {{ [[ $1 == _fairlead && $2 == fairlead ]] && registered=yes }}
compadd() {{ while [[ $1 != -- ]]; do shift; done; shift; print -l -- "$@" }}
_files() {{ print files }}
source <({program} completion zsh)
complete_words() {{ words=({program} "$@"); CURRENT=${{#words}}; _fairlead }}
complete_words res
complete_words get -o j
complete_words logs {run}/fl
complete_words run ''
[[ $registered == yes ]] && print registered
"""

FISH = """
set -p PATH {folder}
fairlead completion fish | source
complete -C 'fairlead res'
complete -C 'fairlead get -o j'
complete -C 'fairlead logs {run}/fl'
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Return a command named ``fairlead``, as an installation has it."""
    path = tmp_path / "fairlead"
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -m fairlead "$@"\n')
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("shell", "options", "script", "more"),
    [
        ("bash", ["--norc", "-c"], BASH, ["registered"]),
        ("zsh", ["-f", "-c"], ZSH, ["files", "registered"]),
        ("fish", ["--no-config", "-c"], FISH, []),
    ],
    ids=["bash", "zsh", "fish"],
)
def test_a_shell_completes(
    finished: Finished, program: Path, shell: str, options: list[str], script: str, more: list[str]
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    text = script.format(program=program, folder=program.parent, run=finished.first)
    done = subprocess.run(
        [shell, *options, text], env=finished.project.environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout.split(), done.stderr) == (["resume", "json", f"{finished.first}/flaky", *more], "")


@pytest.mark.parametrize(("shell", "check"), [("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["--no-execute"])])
def test_scripts_are_read_by_their_shell(command: Command, tmp_path: Path, shell: str, check: list[str]) -> None:
    script = tmp_path / "script"
    script.write_text(command("completion", shell).out)
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    assert subprocess.run([shell, *check, str(script)], capture_output=True, check=False).returncode == 0
