"""Labels on the command line: ``--label KEY=VALUE``."""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.errors import UsageError


def read_labels(texts: Iterable[str]) -> dict[str, str]:
    """Read labels; of one key the last.

    Raises:
        UsageError: One is not of the form KEY=VALUE.
    """
    labels = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--label takes KEY=VALUE, got {text!r}", next="give for instance --label team=vision")
        labels[key] = value
    return labels
