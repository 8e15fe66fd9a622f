"""Fairlead: one typed definition of ML work, run on a laptop and on Kubernetes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead import artifacts as artifacts
    from fairlead import runtimes as runtimes
    from fairlead import space as space
    from fairlead.authoring.datasets import dataset as dataset
    from fairlead.authoring.flows import Flow as Flow
    from fairlead.authoring.flows import flow as flow
    from fairlead.authoring.futures import first_of as first_of
    from fairlead.authoring.steps import Step as Step
    from fairlead.authoring.steps import container as container
    from fairlead.authoring.steps import step as step
    from fairlead.authoring.sweeps import sweep as sweep
    from fairlead.errors import FairleadError as FairleadError
    from fairlead.runs.handles import Run as Run
    from fairlead.specs.steps import Overlay as Overlay
    from fairlead.specs.steps import Retries as Retries
    from fairlead.specs.steps import Secret as Secret
    from fairlead.specs.volumes import Csi as Csi
    from fairlead.specs.volumes import Volume as Volume
    from fairlead.worker.context import checkpoint as checkpoint
    from fairlead.worker.context import log as log
    from fairlead.worker.context import progress as progress
    from fairlead.worker.context import volume as volume

__version__ = "0.1.0"

_PUBLIC = {
    "Csi": "fairlead.specs.volumes",
    "FairleadError": "fairlead.errors",
    "Flow": "fairlead.authoring.flows",
    "Overlay": "fairlead.specs.steps",
    "Retries": "fairlead.specs.steps",
    "Run": "fairlead.runs.handles",
    "Secret": "fairlead.specs.steps",
    "Step": "fairlead.authoring.steps",
    "Volume": "fairlead.specs.volumes",
    "checkpoint": "fairlead.worker.context",
    "container": "fairlead.authoring.steps",
    "dataset": "fairlead.authoring.datasets",
    "first_of": "fairlead.authoring.futures",
    "flow": "fairlead.authoring.flows",
    "log": "fairlead.worker.context",
    "progress": "fairlead.worker.context",
    "step": "fairlead.authoring.steps",
    "sweep": "fairlead.authoring.sweeps",
    "volume": "fairlead.worker.context",
}
_MODULES = ("artifacts", "runtimes", "space")

__all__ = ["__version__", *_MODULES, *_PUBLIC]  # names of lazily imported objects


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: a flow file pays only for what it needs."""
    if name in _MODULES:
        return import_module(f"fairlead.{name}")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'fairlead' has no attribute {name!r}")
    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
