"""Telling the options of a command and the parameters of a flow apart."""

from __future__ import annotations

from collections.abc import Sequence, Set

from fairlead.errors import UsageError


def split_flags(
    arguments: Sequence[str], *, valued: Set[str], switches: Set[str], verb: str
) -> tuple[list[str], dict[str, str | None]]:
    """Return the words that are the command's own, and the flags that are the flow's.

    Args:
        arguments: The words after the command.
        valued: The command's options that take a value.
        switches: Those that do not.
        verb: The command, for messages.

    Returns:
        The own words, and the flow's flags by name; None for a flag without a value.
    """
    own: list[str] = []
    flags: dict[str, str | None] = {}
    words = list(arguments)
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if not word.startswith("-") or name in switches:
            own.append(word)
        elif name in valued:
            own += [word] if equals or not words else [word, words.pop(0)]
        elif not word.startswith("--") or not name[2:]:
            raise UsageError(f"fairlead {verb} has no option {word!r}", next=f"fairlead {verb} --help")
        elif equals:
            flags[name[2:]] = value
        else:
            flags[name[2:]] = words.pop(0) if words and not words[0].startswith("--") else None
    return own, flags


def split_command(arguments: Sequence[str], *, valued: Set[str]) -> tuple[list[str], list[str]]:
    """Tell the words of a command from those of the command that it is given: after ``--``, or after its first word.

    Args:
        arguments: The words after the command.
        valued: The command's options that take a value.

    Returns:
        The own words, and the other command's.
    """
    words, own, named = list(arguments), list[str](), False
    while words:
        word = words.pop(0)
        if word == "--" or (named and not word.startswith("-")):
            return own, words if word == "--" else [word, *words]
        own.append(word)
        if word in valued and words:
            own.append(words.pop(0))
        elif not word.startswith("-"):
            named = True
    return own, []


def split_target(text: str) -> tuple[str, str | None]:
    """Return the file and the flow of ``FILE[:FLOW]``."""
    file, colon, flow = text.rpartition(":")
    return (file, flow) if colon and flow.isidentifier() else (text, None)
