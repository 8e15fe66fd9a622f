"""The words of a command, and those of the command that it is given."""

from __future__ import annotations

import pytest

from fairlead.cli.flags import split_command


@pytest.mark.parametrize(
    ("given", "own", "command"),
    [
        ("run/fit", "run/fit", ""),
        ("run/fit ls -l", "run/fit", "ls -l"),
        ("run/fit -- ls --rank 3", "run/fit", "ls --rank 3"),
        ("--rank 1 run/fit ls", "--rank 1 run/fit", "ls"),
        ("run/fit --rank 1 ls --rank 2", "run/fit --rank 1", "ls --rank 2"),
        ("run/fit --rank=1 ls", "run/fit --rank=1", "ls"),
        ("run/fit -- -- x", "run/fit", "-- x"),
        ("run/fit ls -- x", "run/fit", "ls -- x"),
        ("--rank", "--rank", ""),
        ("-- ls", "", "ls"),
    ],
)
def test_a_command_begins_after_two_dashes_or_with_its_first_word(given: str, own: str, command: str) -> None:
    assert split_command(given.split(), valued={"--rank"}) == (own.split(), command.split())
