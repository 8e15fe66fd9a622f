"""Volumes on this machine: folders, which steps find by `fairlead.volume`. Nothing is mounted.

One that is made lies with the run: for an attempt alone, and gone with it, or for all steps that share it. What is
there already, a claim's or what a driver mounts, is the folder that stands for it, a link as a rule; where there is
none, the step finds what this machine has at the path.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from fairlead.specs.steps import Step
from fairlead.specs.volumes import Volume
from fairlead.store.progress import Instance


class Folders:
    """Makes the folders of one run's volumes.

    Args:
        made: The folder for those that are made.
        standing: The folder with what stands for claims, by their names, and for what drivers mount, by the volumes'.
    """

    def __init__(self, made: Path, standing: Path) -> None:
        self._made = made
        self._standing = standing

    def make(self, instance: Instance, number: int, node: int) -> dict[str, str]:
        """Return the folders of a step's volumes by name, without those that this machine has at their paths.

        Args:
            instance: Which instance of the step.
            number: The number of the attempt.
            node: The number of the node, where it has several: each has volumes of its own.
        """
        found = {}
        for volume in instance.step.volumes:
            folder = self._folder(volume, self._of(instance, number) / str(node))
            if folder is not None:
                found[volume.name] = str(folder / (volume.sub_path or ""))
        return found

    def remove(self, instance: Instance, number: int) -> None:
        """Remove what was made for an attempt alone."""
        if any(each.is_of_pod for each in instance.step.volumes):
            shutil.rmtree(self._of(instance, number), ignore_errors=True)

    def _folder(self, volume: Volume, own: Path) -> Path | None:
        if volume.size is None:
            folder = self._standing / (volume.claim or volume.name)
            return folder if folder.is_dir() else None
        folder = (own if volume.is_of_pod else self._made / "run") / volume.name
        (folder / (volume.sub_path or "")).mkdir(parents=True, exist_ok=True)
        return folder

    def _of(self, instance: Instance, number: int) -> Path:
        return self._made / "attempts" / f"{instance.name}.{instance.index}.{number}"


def found_at(step: Step, path: str, folders: Mapping[str, str]) -> Path:
    """Return where a path of a step's pod is on this machine: in the folder of a volume, or the path itself."""
    wanted = PurePosixPath(path)
    for volume in step.volumes:
        if volume.name in folders and wanted.is_relative_to(volume.path):
            return Path(folders[volume.name]) / wanted.relative_to(volume.path)
    return Path(path)
