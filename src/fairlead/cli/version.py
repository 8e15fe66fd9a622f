"""Print the version of Fairlead and of the Python that runs it."""

from __future__ import annotations

import argparse
import platform

from fairlead import __version__


def configure(parser: argparse.ArgumentParser) -> None:
    """There are no options."""


def run(arguments: argparse.Namespace) -> int:
    """Print the version."""
    print(f"fairlead {__version__}   Python {platform.python_version()}")
    return 0
