"""Show the settings and where they come from: the environment, config.toml in FAIRLEAD_HOME, or the default.

    fairlead config show [--origin] [-o json|yaml]

A setting is made in config.toml (store = "s3://bucket/team"), or for one command in the environment
(FAIRLEAD_STORE=…). Passwords in URLs are not shown.
"""

from __future__ import annotations

import argparse

from fairlead.cli.output import add_output_option, print_document, print_table


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    verbs = parser.add_subparsers(dest="action", required=True, metavar="show")
    showing = verbs.add_parser("show", help="show the settings", description="Show every setting with its value.")
    showing.add_argument("--origin", action="store_true", help="where each value comes from, and what it is for")
    add_output_option(showing)


def run(arguments: argparse.Namespace) -> int:
    """Print the settings."""
    from fairlead.runs.settings import describe_settings

    found = describe_settings()
    if arguments.output != "table":
        print_document(found, arguments.output)
    elif arguments.origin:
        for each in found:
            print(
                f"{each.name}\n  value    {each.value or '(none)'}\n  origin   {each.origin}\n  meaning  {each.meaning}"
            )
    else:
        print_table(("NAME", "VALUE"), [(each.name, each.value or "") for each in found], whole_last=True)
    return 0
