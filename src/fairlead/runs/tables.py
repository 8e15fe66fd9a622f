"""Files that users write: tables, refused by the lines of their bad rows, or read without them; and TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from fairlead.errors import Fault, SpecError, UsageError
from fairlead.planner.tables import Table

Item = TypeVar("Item")

FAULTS_SHOWN = 10


def read_rows(
    file: Path, read: Callable[[Iterable[str]], Table[Item]], notes: list[str], *, skip_bad: bool
) -> tuple[Item, ...]:
    """Return what the rows of a file say.

    Args:
        file: The file.
        read: Reads the rows.
        notes: What the user should know of the file is added to these.
        skip_bad: Whether rows that can't be are left out and counted, instead of refused.

    Raises:
        UsageError: The file can't be read.
        SpecError: Rows can't be; it names their lines.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            table = read(lines)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("a file can't be read", where=str(file), why=str(error)) from error
    if table.faults and not skip_bad:
        raise SpecError(str(file), first_shown(table.faults), next="mend these rows, or leave them out with --skip-bad")
    if table.bad:
        notes.append(f"{file}: {table.bad} bad row{'s' if table.bad > 1 else ''} left out")
    notes += [f"{file} {note}" for note in first_shown(table.notes)]
    return table.items


def read_toml(file: Path, what: str, page: str) -> dict[str, Any]:
    """Read a file of TOML.

    Args:
        file: The file.
        what: What it is: ``price book``.
        page: The page that has its form.

    Raises:
        UsageError: It can't be read, or is no TOML.
    """
    try:
        found: dict[str, Any] = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the {what} {file}", why=str(error)) from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is no TOML", why=str(error), next=f"{page} has the form of a {what}") from None
    return found


def first_shown(faults: Sequence[Fault]) -> list[Fault]:
    """Return the first faults, and how many more there are."""
    more = len(faults) - FAULTS_SHOWN
    return [*faults[:FAULTS_SHOWN], *([Fault("", f"and {more} more")] if more > 0 else [])]
