"""Packing a project for a run that happens elsewhere, without the state that may lie in it."""

from __future__ import annotations

from pathlib import Path

from fairlead.naming import digest_bytes
from fairlead.packaging.package import UNPACKED_BYTES_MAX
from fairlead.packaging.project import Project, find_project
from fairlead.packaging.travelling import Packed, pack_project
from fairlead.runs.home import home
from fairlead.runs.settings import settings
from fairlead.specs.reports import PackagedFile, PackageReport


def packed_project(project: Project, store: str | None = None) -> Packed:
    """Pack a project.

    Args:
        project: The project.
        store: The store's URL, where it is not the settings' one; a folder of it in the project does not travel.

    Raises:
        UsageError: The project can't travel; see `fairlead.packaging.travelling`.
    """
    url = store or settings()["store"].value or ""
    return pack_project(project, without=[home(), *([Path(url)] if url and "://" not in url else [])])


def describe_package(file: str) -> PackageReport:
    """Return what would travel with a flow's file. Raises as `packed_project`."""
    project = find_project(Path(file))
    packed = packed_project(project)
    return PackageReport(
        file=project.relative(str(project.file)),
        module=project.module,
        root=str(project.root),
        digest=digest_bytes(packed.data),
        size_bytes=sum(each.size_bytes for each in packed.entries),
        size_bytes_max=UNPACKED_BYTES_MAX,
        files=tuple(PackagedFile(each.name, each.kind, each.size_bytes) for each in packed.entries),
        notes=packed.notes,
    )
