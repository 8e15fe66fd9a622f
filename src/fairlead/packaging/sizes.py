"""The limit of a code package, and what is said where it is passed."""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.errors import UsageError
from fairlead.packaging.package import UNPACKED_BYTES_MAX
from fairlead.packaging.project import Project

_SHOWN = 5


def check_sizes(project: Project, sizes: Mapping[str, int], advice: str) -> None:
    """Refuse code that is too large for a package.

    Args:
        project: The project.
        sizes: Bytes of each file.
        advice: What to do about it.

    Raises:
        UsageError: They are more than 64 MiB together; the biggest files are named.
    """
    total = sum(sizes.values())
    if total <= UNPACKED_BYTES_MAX:
        return
    biggest = sorted(sizes, key=lambda name: (-sizes[name], name))[:_SHOWN]
    raise UsageError(
        f"the code of {project.file.name} is too large",
        where=str(project.root),
        why=f"at most {UNPACKED_BYTES_MAX >> 20} MiB, got {total / 2**20:.1f} in {len(sizes)} files: "
        + ", ".join(f"{name} {sizes[name] / 2**20:.1f} MiB" for name in biggest),
        next=advice,
    )
