"""Trials of a sweep that a component proposes: each is a call of the trial's step, as if a driver had made it.

The component knows a trial by a name of its own, from which the index of the call follows: a pod that is started again
is the same one.
"""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.errors import Fault, SpecError
from fairlead.naming import digest_bytes
from fairlead.specs.spaces import point_of
from fairlead.specs.steps import SweepStep
from fairlead.store.backends import Backend
from fairlead.store.layout import call_key
from fairlead.store.progress import Instance
from fairlead.store.records import Called, RunSpec, encode
from fairlead.worker.pods.place import Place
from fairlead.worker.tasks import Given, Input

_DIGITS = 7
"""Of the digest, in hexadecimal, by which trials are told apart."""


def begin_trial(backend: Backend, spec: RunSpec, place: Place, sweep: Instance, shared: Mapping[str, Input]) -> str:
    """Write down what a trial is; returns the instance that it is, ``step.index``.

    Args:
        backend: The store.
        spec: The run's.
        place: Where the pod stands, with the trial's name and what is proposed.
        sweep: The sweep.
        shared: What all trials share.

    Raises:
        SpecError: What is proposed is no point of the sweep's space.
    """
    assert isinstance(sweep.step, SweepStep)
    definition = spec.graph.steps[sweep.step.trial]
    parent = f"{sweep.name}.{sweep.index}"
    identity = digest_bytes(f"{parent}/trial/{place.trial}".encode())
    taken = {node.title for node in spec.graph.nodes}
    called = Called(
        parent=parent,
        identity=identity,
        position=int(identity[:_DIGITS], 16),
        step=f"{parent}.{definition.name}" if definition.name in taken else definition.name,
        index=int(identity[:_DIGITS], 16),
        definition=definition,
        inputs={**shared, **_proposed(sweep.step, place)},
        source=spec.sources.get(sweep.step.trial, {}),
    )
    backend.create(call_key(spec.run, called.step, called.index), encode(called))
    return f"{called.step}.{called.index}"


def _proposed(sweep: SweepStep, place: Place) -> dict[str, Given]:
    """Return the values of the swept parameters."""
    given = dict(each.partition("=")[::2] for each in place.given)
    faults = [Fault(name, "is not proposed") for name in sweep.space if name not in given]
    faults += [Fault(name, "is not swept") for name in given if name not in sweep.space]
    found: dict[str, Given] = {}
    for name in sweep.space.keys() & given.keys():
        try:
            found[name] = Given(point_of(sweep.space[name], given[name]))
        except ValueError as error:
            faults.append(Fault(name, str(error)))
    if faults:
        raise SpecError(f"trial {place.trial!r} of sweep {sweep.name!r}", faults, next="let the space be as it was")
    return found
