"""What steps returned, as a user takes it away: listed, shown as text, written as files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fairlead.errors import NotFoundError, StoreError, UsageError, nearest
from fairlead.quantities import human_bytes
from fairlead.runs.finding import Target
from fairlead.specs.reports import ArtifactReport, RunReport, StepReport
from fairlead.specs.values import Ref
from fairlead.store.opened import Store

SHOWN_MAX = 1 << 20
"""Bytes of a value that is printed; a larger one is written to a file."""

_EXTENSIONS = {
    "json": ".json",
    "numpy": ".npy",
    "numpy-scalar": ".npy",
    "jax": ".npy",
    "arrow": ".arrow",
    "safetensors": ".safetensors",
    "pickle": ".pickle",
    "bytes": ".bin",
}


def list_artifacts(report: RunReport, target: Target) -> list[ArtifactReport]:
    """Return what a run's steps, or one of them, returned.

    Raises:
        NotFoundError: The run has no such step.
    """
    return [
        ArtifactReport(
            step=step.name,
            index=step.index,
            output=number,
            type=ref.type.removeprefix("builtins."),
            format=ref.format,
            size_bytes=ref.size_bytes,
            digest=ref.digest,
            name=ref.name,
        )
        for step in _steps(report, target)
        for number, ref in enumerate(step.artifacts)
    ]


def find_artifact(report: RunReport, target: Target, output: int | None = None) -> tuple[StepReport, int, Ref]:
    """Return one output of one step.

    Args:
        report: The run.
        target: The step, with its index where it has several.
        output: The number of the output; it may be left out where the step has one.

    Raises:
        NotFoundError: There is no such step, or it has returned nothing.
        UsageError: The step has several indices or outputs, and none is named.
    """
    if target.step is None:
        raise UsageError(
            "an artifact is named as RUN/STEP or RUN/STEP/INDEX",
            next=f"see what there is: fairlead artifacts ls {target.run}",
        )
    steps = list(_steps(report, target))
    if len(steps) > 1:
        indices = sorted(step.index for step in steps)
        raise UsageError(
            f"step {target.step} has {len(steps)} values, one for each index from {indices[0]} to {indices[-1]}",
            next=f"name one: {target.run}/{target.step}/{indices[0]}",
        )
    step = steps[0]
    place = f"{target.run}/{step.name}/{step.index}"
    if not step.artifacts:
        raise NotFoundError(
            f"{place} has no value", why=f"the step is {step.status}", next=f"fairlead get {target.run}"
        )
    count = len(step.artifacts)
    if output is None and count > 1:
        raise UsageError(f"{place} has {count} outputs", next=f"name one with --output-number, from 0 to {count - 1}")
    number = output or 0
    if not 0 <= number < count:
        raise NotFoundError(
            f"{place} has no output {number}",
            why=f"it has {count}, counted from 0",
            next=f"fairlead artifacts ls {target.run}",
        )
    return step, number, step.artifacts[number]


def text_of(store: Store, ref: Ref, place: str) -> str:
    """Return a small value as text: a string as it is, JSON indented, a text file's content, else its ``repr``.

    Raises:
        UsageError: The value is too large to print, or is no text.
    """
    if ref.size_bytes > SHOWN_MAX:
        raise _unprintable(
            place, f"it is {human_bytes(ref.size_bytes)}, more than the {human_bytes(SHOWN_MAX)} that are printed"
        )
    if ref.format == "folder":
        raise _unprintable(place, f"it is the folder {ref.name!r}")
    if ref.format in ("file", "bytes"):
        try:
            return store.values.path(ref).read_text("utf-8")
        except UnicodeDecodeError:
            kind = f"the file {ref.name!r}" if ref.name else "bytes"
            raise _unprintable(place, f"it is {kind}, and no UTF-8 text") from None
    value = store.values.load(ref)
    if isinstance(value, str):
        return value
    return _json(value) if ref.format == "json" else repr(value)


def plain_value(store: Store, ref: Ref, place: str) -> Any:
    """Return a value that JSON holds.

    Raises:
        UsageError: It is stored in another format.
    """
    if ref.format != "json":
        raise UsageError(
            f"{place} is no JSON",
            why=f"it is a {ref.type}, stored as {ref.format}",
            next=f"fairlead artifacts get {place} --to PATH",
        )
    return store.values.load(ref)


def write_to(store: Store, step: StepReport, number: int, ref: Ref, to: str) -> Path:
    """Copy a value to a path, or into a folder under a name of its own.

    Args:
        store: The store.
        step: The step that returned it.
        number: Which of its outputs it is.
        ref: The value.
        to: A file that is made or replaced, or a folder that is there or ends in ``/``.

    Returns:
        What was written.

    Raises:
        UsageError: A folder of that name is there already, or nothing can be written there.
    """
    target = Path(to).expanduser()
    into = target.is_dir() or to.endswith("/")
    if into:
        target = target / file_name(step, number, ref)
    elif not target.suffix and ref.format not in ("file", "folder"):
        target = target.with_name(target.name + extension(ref))
    if target.is_dir():
        raise UsageError(f"{target} is there already", next="remove it, or choose another path")
    source = store.values.path(ref)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if ref.format == "folder":
            shutil.copytree(source, target, copy_function=_copy)
        else:
            _copy(source, target)
    except OSError as error:
        raise UsageError(
            f"cannot write {target}", why=error.strerror or str(error), next="choose another path"
        ) from error
    return target


def local_file(store: Store, step: StepReport, number: int, ref: Ref) -> Path:
    """Return a file or folder of this machine that shows a value, under a name whose ending says what it is."""
    source = store.values.path(ref)
    if ref.format in ("file", "folder"):
        return source
    target = store.host / "opened" / ref.digest / file_name(step, number, ref)
    if not target.exists():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, target)
            except OSError:
                _copy(source, target)
        except OSError as error:
            raise StoreError(f"cannot write {target}", why=error.strerror or str(error)) from error
    return target


def file_name(step: StepReport, number: int, ref: Ref) -> str:
    """Return the name of a value's file: its own, or one made of the step."""
    if ref.name:
        return ref.name
    several = f"-{number}" if len(step.artifacts) > 1 else ""
    return f"{step.name}-{step.index}{several}{extension(ref)}"


def extension(ref: Ref) -> str:
    """Return the ending that other programs know a format by."""
    return _EXTENSIONS.get(ref.format, f".{ref.format}")


def _steps(report: RunReport, target: Target) -> Iterator[StepReport]:
    named = [step for step in report.steps if target.step in (None, step.name)]
    if not named and target.step is not None:
        known = {step.name for step in report.steps}
        raise NotFoundError(
            f"run {report.run} has no step {target.step!r}",
            where=f"flow {report.flow}",
            next=nearest(target.step, known),
        )
    found = [step for step in named if target.index in (None, step.index)]
    if not found and target.index is not None:
        last = max(step.index for step in named)
        raise NotFoundError(
            f"step {target.step} of run {report.run} has no index {target.index}", why=f"its last is {last}"
        )
    yield from found


def _copy(source: str | Path, target: str | Path) -> None:
    """Copy a file's content, and whether it may be executed; what is stored is read-only, a copy is not."""
    shutil.copyfile(source, target)
    if os.access(source, os.X_OK):
        os.chmod(target, os.stat(target).st_mode | 0o111)


def _json(value: Any) -> str:
    import json  # lazy: json, 5 ms

    return json.dumps(value, indent=2, ensure_ascii=False)


def _unprintable(place: str, why: str) -> UsageError:
    return UsageError(
        f"{place} is not printed", why=why, next=f"write it to a file: fairlead artifacts get {place} --to PATH"
    )
