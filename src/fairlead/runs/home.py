"""The folder of all state."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """Return the folder of all state: FAIRLEAD_HOME, or ``.fairlead`` in the user's home."""
    return Path(os.environ.get("FAIRLEAD_HOME") or Path.home() / ".fairlead").expanduser().absolute()
