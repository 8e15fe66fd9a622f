"""Which version of what the testbed is made of: ``versions.toml``, read and named by keys.

A key changes with everything that a program is built from, so that what was built under it is good for ever.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
BESIDE = ("kwok", "kuberay", "mpi-operator", "spark-operator", "storage", "tekton", "training-operator")
"""The components that are no part of a testbed: they are started beside it, for a while."""


class Mends(NamedTuple):
    """What a module's sources need before they build or behave; see the comments of ``versions.toml``."""

    copies: dict[str, str]
    replacements: dict[str, list[str]]


class Component(NamedTuple):
    """Programs that are built from one Go module.

    Attributes:
        programs: The Go package of each program, by the program's name.
        stamps: Go variables that hold the version, as ``package.name=value``.
        crds: Which files of the module are its custom resource definitions, as a pattern; empty for none.
        mends: What is changed in the module's sources first; none for most.
    """

    name: str
    module: str
    version: str
    programs: dict[str, str]
    stamps: list[str]
    crds: str
    mends: Mends | None

    @property
    def tool(self) -> Path:
        """The folder with the component's ``go.mod`` and ``go.sum``."""
        return HERE / "tools" / self.name

    @property
    def key(self) -> str:
        """The version, and a digest of all that the programs are built from."""
        parts = [(self.tool / name).read_bytes() for name in ("go.mod", "go.sum")]
        return f"{self.version}-{digest([*parts, repr(self[3:]).encode()])}"


def digest(parts: Iterable[bytes]) -> str:
    """Return 12 hexadecimal digits that stand for the parts and their order."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()[:12]


def whole() -> str:
    """Return a digest of everything that a testbed is made of: programs, images and manifests."""
    made_of = {name: each for name, each in document().items() if name != "beside"}
    parts = [repr(made_of), *(component(name).key for name in names())]
    manifests = [path for path in sorted((HERE / "manifests").iterdir()) if path.stem not in BESIDE]
    files = [*manifests, *sorted((HERE / "containerfiles").glob("*/*"))]
    return digest([*(part.encode() for part in parts), *(path.read_bytes() for path in files)])


def document() -> dict[str, Any]:
    """Return the content of ``versions.toml``."""
    return tomllib.loads((HERE / "versions.toml").read_text("utf-8"))


def component(name: str) -> Component:
    """Return one component.

    Raises:
        KeyError: There is none of this name.
    """
    entry = document()["components"][name]
    mends = entry.get("mends")
    return Component(
        name,
        entry["module"],
        entry["version"],
        entry["programs"],
        entry.get("stamps", []),
        entry.get("crds", ""),
        Mends(mends.get("copies", {}), mends.get("replacements", {})) if mends else None,
    )


def names() -> list[str]:
    """Return the names of all components, in the order of need."""
    return list(document()["components"])
