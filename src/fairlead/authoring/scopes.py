"""What a call of a step means here and now.

Without a scope a step is a plain function. While a flow is traced, the scope is the tracer and a call adds
a node; in the body of a dynamic flow it is the driver, and a call submits a step and waits for its value.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from fairlead.authoring.flows import Flow
    from fairlead.authoring.steps import Step
    from fairlead.authoring.sweeps import Sweep


class Scope(Protocol):
    """What decides the meaning of calls."""

    def call(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a step."""

    def map(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a step once for each item of the positional arguments."""

    def enter_flow(self, flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a flow inside another."""

    def sweep(self, sweep: Sweep, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a sweep."""


_scope: ContextVar[Scope | None] = ContextVar("fairlead_scope", default=None)


def current_scope() -> Scope | None:
    """Return the scope of this thread or task, or None outside of any."""
    return _scope.get()


@contextmanager
def entered(scope: Scope | None) -> Iterator[None]:
    """Make a scope the current one for a while."""
    token = _scope.set(scope)
    try:
        yield
    finally:
        _scope.reset(token)
