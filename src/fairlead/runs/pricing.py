"""Price books, which users write: `docs/plan.md` has their form."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fairlead.errors import SpecError
from fairlead.insight.planning.prices import PriceBook, book_faults, together
from fairlead.runs.tables import read_toml
from fairlead.specs import documents


def read_book(files: Iterable[str]) -> PriceBook | None:
    """Read price books as one, the later before the earlier; None where there is no file.

    Raises:
        UsageError: A file can't be read, or is no TOML.
        SpecError: One is no price book; every fault is named.
    """
    return together(map(_read, files))


def _read(file: str) -> PriceBook:
    found = read_toml(Path(file), "price book", "docs/plan.md")
    book = documents.convert(found, PriceBook, source=file)
    if faults := list(book_faults(book)):
        raise SpecError(file, faults)
    return book
