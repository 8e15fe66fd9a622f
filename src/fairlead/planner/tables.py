"""Tables of text, read row by row: what a row may not hold is named by its line."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

import msgspec

from fairlead.errors import Fault

Item = TypeVar("Item")

NUMBER_MOST = 10**12
"""No number of a node or pod is larger."""


class Table(msgspec.Struct, Generic[Item], frozen=True):
    """What a table holds, and the rows that can't be.

    Attributes:
        items: What the good rows say, in order.
        faults: What is wrong with the others; a row may have several.
        bad: How many rows that are.
        notes: What is to be known of good rows.
    """

    items: tuple[Item, ...]
    faults: tuple[Fault, ...] = ()
    bad: int = 0
    notes: tuple[Fault, ...] = ()


class Row:
    """One row: cells by their column, and what is wrong with them."""

    def __init__(self, line: int, cells: dict[str, str]) -> None:
        self.cells = cells
        self.faults: list[Fault] = []
        self.notes: list[Fault] = []
        self._line = line

    def text(self, column: str, *, needed: bool = True) -> str:
        """Return a cell; where it may not be empty, but is, that is a fault."""
        found = self.cells.get(column, "").strip()
        if needed and not found:
            self.fault(column, "is missing")
        return found

    def number(self, column: str, *, least: int = 0, most: int = NUMBER_MOST) -> int:
        """Return a cell as a whole number; `least` where it is none within the bounds, which is a fault."""
        text = self.text(column)
        if not text:
            return least
        if not text.removeprefix("-").isdecimal() or not text.isascii():
            self.fault(column, f"{text[:40]!r} is no whole number")
            return least
        found = int(text[:40])
        if not least <= found <= most:
            self.fault(column, f"must be {least} to {most}, got {text[:40]}")
            return least
        return found

    def fault(self, column: str, message: str) -> None:
        """Note what is wrong with a cell, or with the row."""
        self.faults.append(Fault(f"line {self._line}", f"{column}: {message}" if column else message))

    def note(self, message: str) -> None:
        """Note what is to be known of the row, although it is good."""
        self.notes.append(Fault(f"line {self._line}", message))


def read_table(lines: Iterable[str], columns: Sequence[str], read: Callable[[Row], Item]) -> Table[Item]:
    """Read a table with a head.

    Args:
        lines: The lines, as of a file that was opened with ``newline=""``.
        columns: The columns that it must have; it may have others.
        read: Makes an item of a row, and notes the row's faults.
    """
    items: list[Item] = []
    faults: list[Fault] = []
    notes: list[Fault] = []
    bad = 0
    for row in _rows(lines, columns):
        item = None if row.faults else read(row)
        if item is None or row.faults:
            faults += row.faults
            bad += 1
        else:
            items.append(item)
            notes += row.notes
    return Table(tuple(items), tuple(faults), bad, tuple(notes))


def _rows(lines: Iterable[str], columns: Sequence[str]) -> Iterator[Row]:
    reader = csv.reader(lines, strict=True)
    head = next(reader, [])
    if missing := [column for column in columns if column not in head]:
        row = Row(1, {})
        row.fault("", f"has no column {', '.join(missing)}")
        yield row
        return
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            row = Row(reader.line_num, {})
            row.fault("", str(error))
            yield row
            continue
        if not cells:
            continue
        row = Row(reader.line_num, dict(zip(head, cells, strict=False)))
        if len(cells) != len(head):
            row.fault("", f"has {len(cells)} cells, the head has {len(head)}")
        yield row
