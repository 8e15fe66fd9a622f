"""A run, as a program sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.errors import NotFoundError, RunFailed, nearest
from fairlead.specs.reports import RunReport, StepReport

if TYPE_CHECKING:
    from fairlead.store.opened import Store


class Run:
    """One run of a flow: its report, and the values of its steps."""

    def __init__(self, store: Store, run: str, report: RunReport) -> None:
        self._store = store
        self.id = run
        self.report = report

    @property
    def status(self) -> str:
        """The run's status."""
        return self.report.status

    def step(self, name: str, index: int = 0) -> StepReport:
        """Return the report of one step.

        Raises:
            NotFoundError: The run has no such step.
        """
        for each in self.report.steps:
            if each.name == name and each.index == index:
                return each
        known = {each.name for each in self.report.steps}
        raise NotFoundError(f"run {self.id} has no step {name}/{index}", next=nearest(name, known))

    def value(self, name: str, index: int = 0, output: int = 0) -> Any:
        """Return what a step returned.

        Raises:
            RunFailed: The step has not succeeded.
        """
        step = self.step(name, index)
        if not step.artifacts:
            raise RunFailed(
                f"step {name}/{index} of run {self.id} has no value",
                why=f"it is {step.status}",
                next=f"fairlead get {self.id}",
            )
        return self._store.values.load(step.artifacts[output])

    def result(self) -> Any:
        """Return what the flow returned.

        Raises:
            RunFailed: The run has not succeeded.
        """
        from fairlead.runs.results import flow_result  # lazy: reads the run's records

        if self.status != "succeeded":
            raise RunFailed(
                f"run {self.id} {self.status}", why=self.report.reason or "", next=f"fairlead get {self.id}"
            )
        return flow_result(self._store, self.id)

    def __repr__(self) -> str:
        return f"<run {self.id} {self.status}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        from importlib import import_module

        bundle: dict[str, str] = import_module("fairlead.notebook.running").bundle_of(self)  # a layer above: by name
        return bundle
