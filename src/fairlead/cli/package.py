"""List what of a project travels to where its flow runs, the biggest file first.

    fairlead package FILE [-o json|yaml]

Nothing is imported or run. What is not to travel is named in .fairleadignore in the project's root.
"""

from __future__ import annotations

import argparse

from fairlead.cli.flags import split_target
from fairlead.cli.output import add_output_option, print_document, print_table
from fairlead.quantities import human_bytes


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("file", metavar="FILE", help="the Python file of a flow")
    add_output_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the list."""
    from fairlead.runs.travelling import describe_package

    found = describe_package(split_target(arguments.file)[0])
    if arguments.output != "table":
        print_document(found, arguments.output)
        return 0
    files = sorted(found.files, key=lambda each: (-each.size_bytes, each.path))
    print_table(("SIZE", "FILE"), [(human_bytes(each.size_bytes), each.path) for each in files], whole_last=True)
    print(f"\n{len(files)} files, {human_bytes(found.size_bytes)} of at most {human_bytes(found.size_bytes_max)}")
    for note in found.notes:
        print(f"note: {note}")
    return 0
