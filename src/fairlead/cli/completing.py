"""List what may stand at the end of a command line, one a line: what completion scripts ask.

    fairlead _complete [WORD …]

The words are those after ``fairlead``, the last one as far as it is written.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence

from fairlead.errors import FairleadError


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe nothing: every word is another command's."""


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Take the words as they are."""
    return argparse.Namespace(words=list(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Print the candidates; nothing where there are none, or where something is wrong."""
    try:
        found = candidates(arguments.words or [""])
    except FairleadError:
        found = []
    print("\n".join(found), end="\n" if found else "")
    return 0


def candidates(words: Sequence[str]) -> list[str]:
    """Return what may stand in the place of the last word."""
    from fairlead.cli.main import VERBS, parser_of

    *before, text = words
    if not before:
        return _beginning(text, VERBS)
    if before[0] not in VERBS:
        return []
    parser, rest = _innermost(parser_of(before[0])[1], before[1:])
    options = {name: action for action in parser._actions for name in action.option_strings}
    awaited = options.get(rest[-1]) if rest else None
    if awaited is not None and awaited.nargs != 0:
        return _beginning(text, map(str, awaited.choices or ()))
    if text.startswith("-"):
        return _beginning(text, (name for name in options if name.startswith("--") or len(text) == 2))
    place = len(_without_options(rest, options))
    return _positional([action for action in parser._actions if not action.option_strings], place, text)


def _innermost(parser: argparse.ArgumentParser, words: list[str]) -> tuple[argparse.ArgumentParser, list[str]]:
    """Go down into the parser of a verb's own verb, where one is written."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for position, word in enumerate(words):
                if word in action.choices:
                    return action.choices[word], words[position + 1 :]
    return parser, words


def _without_options(words: list[str], options: dict[str, argparse.Action]) -> list[str]:
    found, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = word in options and options[word].nargs != 0
        else:
            found.append(word)
    return found


def _positional(actions: list[argparse.Action], place: int, text: str) -> list[str]:
    if not actions:
        return []
    action = actions[min(place, len(actions) - 1)]
    if place >= len(actions) and action.nargs not in ("*", "+"):
        return []
    if action.choices:
        return _beginning(text, map(str, action.choices))
    name = action.metavar if isinstance(action.metavar, str) else ""
    return _run_or_step(name, text) if name.startswith("RUN") else []


def _run_or_step(metavar: str, text: str) -> list[str]:
    from fairlead.runs.completing import complete_run, complete_step
    from fairlead.runs.settings import open_store

    backend = open_store().backend
    if "/" in text:
        return complete_step(backend, text) if "STEP" in metavar else []
    found = complete_run(backend, text)
    return [f"{run}/" for run in found] if metavar.startswith("RUN/STEP") else found


def _beginning(text: str, known: Iterable[str]) -> list[str]:
    return [each for each in known if each.startswith(text)]
