"""The option that names placement policies."""

from __future__ import annotations

import argparse

from fairlead.errors import UsageError


def add_policy_option(parser: argparse.ArgumentParser) -> None:
    """Describe the option."""
    parser.add_argument(
        "--policy", required=True, metavar="NAME[,NAME]", help="what places pods: docs/capacity.md lists the policies"
    )


def policies_of(arguments: argparse.Namespace) -> list[str]:
    """Return the policies that are named, each once.

    Raises:
        UsageError: None is.
    """
    found = [each for each in dict.fromkeys(arguments.policy.split(",")) if each]
    if not found:
        raise UsageError("--policy names none", next="--policy fgd")
    return found
