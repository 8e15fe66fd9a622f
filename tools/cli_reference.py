"""Write docs/cli.md, the reference of the command line, or check that it is up to date.

    python tools/cli_reference.py [--check]

It follows from the parsers, and from what the modules of fairlead.cli say of themselves.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from fairlead.cli.main import EXIT_CODES, VERBS, parser_of

FILE = Path(__file__).parents[1] / "docs" / "cli.md"
_HEAD = """\
# The command line

<!-- Written by tools/cli_reference.py: change the parsers, and run it. -->

A run is named by its id, a unique part of it, or `latest`; a step of it as `RUN/STEP`, an item as `RUN/STEP/INDEX`.
What is data goes to standard output, everything else to standard error. `fairlead COMMAND --help` says the same as
this page.
"""


def main() -> int:
    """Write or check the page; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where the page is out of date")
    check = parser.parse_args().check
    text = page()
    if FILE.exists() and FILE.read_text("utf-8") == text:
        return 0
    print(f"{'out of date' if check else 'wrote'} {FILE.relative_to(FILE.parents[1])}")
    if not check:
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_text(text, "utf-8")
    return int(check)


def page() -> str:
    """Return the whole page."""
    parts = [
        _HEAD,
        "\n".join(
            _table(("command", ""), [(f"[{verb}](#fairlead-{verb})", text) for verb, (_, text) in VERBS.items()])
        ),
    ]
    parts += ["\n".join(_verb(verb)) for verb in VERBS]
    codes = [(str(code), meaning) for code, meaning in EXIT_CODES.items()]
    parts.append("\n".join(["## Exit codes", "", *_table(("code", "meaning"), codes)]))
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def _verb(verb: str) -> Iterator[str]:
    module, parser = parser_of(verb)
    yield f"## fairlead {verb}"
    yield ""
    yield (module.__doc__ or "").strip()
    yield from _arguments(parser)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield from ("", f"### fairlead {verb} {name}", "", inner.description or "")
                yield from _arguments(inner)


def _arguments(parser: argparse.ArgumentParser) -> Iterator[str]:
    hidden = (argparse._HelpAction, argparse._SubParsersAction)
    rows = [(_name(action), _meaning(action)) for action in parser._actions if not isinstance(action, hidden)]
    if rows:
        yield ""
        yield from _table(("argument", "meaning"), rows)


def _name(action: argparse.Action) -> str:
    value = action.metavar if isinstance(action.metavar, str) else "|".join(map(str, action.choices or ()))
    if not action.option_strings:
        return f"`{value or action.dest}`"
    takes = "" if action.nargs == 0 else f" [{value}]" if action.nargs == "?" else f" {value}"
    return ", ".join(f"`{name}{takes}`" for name in action.option_strings)


def _meaning(action: argparse.Action) -> str:
    return action.help or ""


def _table(head: tuple[str, str], rows: list[tuple[str, str]]) -> Iterator[str]:
    yield f"| {head[0]} | {head[1]} |"
    yield "| --- | --- |"
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


if __name__ == "__main__":
    sys.exit(main())
