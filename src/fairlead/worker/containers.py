"""Container steps: on this machine through podman or docker, in a pod in the image that the pod has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fairlead.errors import FairleadError
from fairlead.specs.steps import ContainerStep
from fairlead.worker.tasks import WorkerTask

_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)
_MOUNT = "/fairlead"


class ContainerFailed(FairleadError):
    """A container's command did not succeed."""


def contained(task: WorkerTask) -> Callable[..., Path]:
    """Return the function that runs a container step: inputs become files, the output is a file or folder."""
    assert isinstance(task.step, ContainerStep)
    step: ContainerStep = task.step
    return _function(step, lambda folder: command_line(step, engine_path(), folder, task.variables, task.volumes))


def commanded(task: WorkerTask) -> Callable[..., Path]:
    """Return the function that runs a container step where the step's image is this process's own."""
    assert isinstance(task.step, ContainerStep)
    step: ContainerStep = task.step
    return _function(step, lambda folder: _placed(step, str(folder)))


def _function(step: ContainerStep, words_in: Callable[[Path], list[str]]) -> Callable[..., Path]:
    """Return what runs a step's command with its inputs and its output in a folder."""

    def run(**inputs: Any) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="fairlead-container-"))
        for name, value in inputs.items():
            _write_input(folder / name, value)
        words = words_in(folder)
        try:
            done = subprocess.run(words, stdout=sys.stdout.fileno(), stderr=sys.stderr.fileno(), check=False)
        except OSError as error:
            raise ContainerFailed(
                f"the command of {step.name!r} can't be started: {words[0]}",
                where=f"image {step.image}",
                why=error.strerror or str(error),
            ) from error
        if done.returncode:
            raise ContainerFailed(
                f"the command of {step.name!r} ended with exit code {done.returncode}", where=f"image {step.image}"
            )
        output = folder / "output"
        if not output.exists():
            raise ContainerFailed(
                f"the command of {step.name!r} left nothing at {{output}}",
                next="have the command write its result there",
            )
        return output

    return run


def engine_path() -> str:
    """Return the path of podman or docker.

    Raises:
        FairleadError: Neither is installed.
    """
    found = shutil.which("podman") or shutil.which("docker")
    if found is None:
        raise FairleadError("a container step needs podman or docker, and neither is installed", next="install podman")
    return found


def command_line(
    step: ContainerStep, engine: str, folder: Path, variables: dict[str, str], volumes: Mapping[str, str]
) -> list[str]:
    """Return the words that run a step's container, with `folder` mounted for its inputs and its output.

    Args:
        step: The step.
        engine: The program that runs containers.
        folder: That folder.
        variables: Its environment variables.
        volumes: The folders that stand for its volumes, by name.
    """
    mounted = [
        word
        for each in step.volumes
        if each.name in volumes
        for word in ("--volume", f"{volumes[each.name]}:{each.path}{':ro' if each.read_only else ''}")
    ]
    environment = [word for name, value in sorted(variables.items()) for word in ("--env", f"{name}={value}")]
    limits = ["--cpus", str(step.resources.cpu_millis / 1000)]
    if step.resources.memory_bytes:
        limits += ["--memory", str(step.resources.memory_bytes)]
    return [
        engine,
        "run",
        "--rm",
        "--volume",
        f"{folder}:{_MOUNT}",
        *mounted,
        *environment,
        *limits,
        step.image,
        *_placed(step, _MOUNT),
    ]


def _placed(step: ContainerStep, folder: str) -> list[str]:
    """Return the words of a step's command with the paths of its inputs and its output."""
    known = {parameter.name for parameter in step.parameters} | {"output"}
    return [
        _PLACE.sub(lambda found: f"{folder}/{found[1]}" if found[1] in known else found[0], word)
        for word in step.command
    ]


def _write_input(path: Path, value: Any) -> None:
    """Write an input as a file: paths are copied, texts as they are, everything else as JSON."""
    if isinstance(value, Path):
        if value.is_dir():
            shutil.copytree(value, path)
        else:
            shutil.copyfile(value, path)
    elif isinstance(value, bytes):
        path.write_bytes(value)
    elif isinstance(value, str):
        path.write_text(value, "utf-8")
    else:
        try:
            path.write_text(json.dumps(value), "utf-8")
        except (TypeError, ValueError) as error:
            raise FairleadError(
                f"the input {path.name!r} can't be given to a container",
                why=str(error),
                next="give a Path, a text or JSON",
            ) from error
