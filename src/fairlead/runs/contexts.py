"""The contexts that a user has registered: one small file each, beside the other state."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from fairlead.decoding import decoder
from fairlead.errors import DamagedError, SpecError, UsageError, nearest
from fairlead.runs.home import home
from fairlead.specs import documents
from fairlead.specs.contexts import LOCAL, Context, context_faults
from fairlead.specs.hardware import Hardware


def folder() -> Path:
    """Return the folder of the registered contexts."""
    return home() / "contexts"


def names() -> list[str]:
    """Return the names of the registered contexts, in order."""
    return sorted(each.stem for each in folder().glob("*.json"))


def add(context: Context) -> None:
    """Register a context, or replace the one of its name.

    Raises:
        SpecError: It can't be; every fault is named.
    """
    faults = list(context_faults(context))
    if faults:
        raise SpecError(f"context {context.name!r}", faults, next="correct it: fairlead context add --help")
    path = _path(context.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp.{os.getpid()}")
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(context)) + b"\n")
    temporary.replace(path)


def read_hardware(file: str) -> Hardware:
    """Read what hardware a cluster has from a file, YAML or JSON.

    Raises:
        UsageError: The file can't be read.
        SpecError: It holds something else; every fault is named.
    """
    try:
        text = Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {file}", why=error.strerror or str(error)) from error
    return documents.convert(documents.parse(text, source=file), Hardware, source=file)


def remove(name: str) -> None:
    """Forget a context; the runs that were submitted with it stay where they are.

    Raises:
        UsageError: There is no such context.
    """
    find(name)
    _path(name).unlink()
    if current() == name:
        use(LOCAL)


def find(name: str) -> Context:
    """Return a registered context.

    Raises:
        UsageError: There is none of this name; the nearest ones are named.
        DamagedError: Its file can't be read.
    """
    path = _path(name)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        known = names()
        raise UsageError(
            f"there is no context {name!r}",
            why=nearest(name, known) if known else "none was added yet",
            next="fairlead context ls" if known else "fairlead context add NAME --store s3://…",
        ) from None
    try:
        return decoder(Context).decode(data)
    except msgspec.DecodeError as error:
        raise DamagedError(
            f"cannot read the context {name!r}", where=str(path), why=str(error), next="add it again"
        ) from error


def use(name: str) -> None:
    """Make a context the one that runs go to unless they say otherwise."""
    if name != LOCAL:
        find(name)
    folder().mkdir(parents=True, exist_ok=True)
    (folder() / "current").write_text(name + "\n")


def current() -> str:
    """Return the name of the context that runs go to unless they say otherwise."""
    with suppress(FileNotFoundError):
        return (folder() / "current").read_text().strip() or LOCAL
    return LOCAL


def store_variables(context: Context) -> dict[str, str]:
    """Return the variables of the file that a context names for its store; none where it names no file.

    Raises:
        UsageError: The file can't be read.
    """
    if not context.store_env:
        return {}
    path = Path(context.store_env).expanduser()
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise UsageError(
            f"cannot read the store's variables {path}",
            why=error.strerror or str(error),
            next="correct it: fairlead context add … --store-env FILE",
        ) from error
    pairs = (line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def _path(name: str) -> Path:
    return folder() / f"{name}.json"
