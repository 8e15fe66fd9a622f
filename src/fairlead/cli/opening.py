"""Choosing the display that fits where standard error goes."""

from __future__ import annotations

import sys

from fairlead.cli.display import DataDisplay, Display


def open_display(*, quiet: bool, form: str) -> Display:
    """Return the display that fits where standard error goes."""
    if not quiet and form == "table" and sys.stderr.isatty():
        from fairlead.cli.live import LiveDisplay  # lazy: rich, 60 ms

        return LiveDisplay(sys.stderr)
    return Display(sys.stderr, quiet=quiet) if form == "table" else DataDisplay(sys.stderr, quiet=True)
