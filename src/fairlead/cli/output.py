"""Printing: documents as JSON or YAML, tables for people, and as CSV for other programs."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from fairlead.specs import documents

WIDTH_MAX = 60


def add_output_option(parser: argparse.ArgumentParser, *, more: Sequence[str] = ()) -> None:
    """Give a verb ``-o``, with more forms where it has some: ``csv`` where what it prints is one table."""
    forms = ("table", "json", "yaml", *more)
    parser.add_argument("-o", "--output", choices=forms, default="table", help="the form of the output")


def print_document(document: Any, form: str) -> None:
    """Print a document, or a list of them, as JSON or YAML."""
    if form == "json":
        sys.stdout.write(documents.to_json(document).decode() + "\n")
    else:
        sys.stdout.write(documents.to_yaml(document))


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, whole_last: bool = False) -> None:
    """Print a table with aligned columns; a cell that is too long is cut in the middle.

    Args:
        head: The columns' titles.
        rows: A cell for each column.
        whole_last: Whether cells of the last column are left as long as they are.
    """
    cells = [[str(each) for each in head], *([_cut(str(each)) for each in row] for row in rows)]
    if whole_last:
        for cut, row in zip(cells[1:], rows, strict=True):
            cut[-1] = str(row[-1]).replace("\n", " ")
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def print_csv(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table as RFC 4180 has it; None is an empty field."""
    csv.writer(sys.stdout).writerows([head, *rows])


def _cut(text: str) -> str:
    text = text.replace("\n", " ")
    half = (WIDTH_MAX - 1) // 2
    return text if len(text) <= WIDTH_MAX else f"{text[:half]}…{text[-half:]}"


def plain(document: Any) -> Any:
    """Return a document as plain mappings and lists."""
    return msgspec.to_builtins(document)
