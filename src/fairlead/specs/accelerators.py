"""Accelerators as users name them, read from one data file.

The models, their memory, vendor resource names, MIG profiles and slice topologies stand in
``accelerators.json`` beside this module; adding a card changes that file alone.
"""

from __future__ import annotations

import os
import re
from functools import cache
from math import prod

import msgspec

from fairlead.errors import nearest

_REQUEST = re.compile(r"(?P<model>[A-Za-z0-9.+_-]+?)((?i:-MIG-)(?P<profile>[A-Za-z0-9.+]+))?(:(?P<amount>[0-9x]+))?")
_TOPOLOGY = re.compile(r"[1-9][0-9]*(x[1-9][0-9]*){1,2}")


class MigProfile(msgspec.Struct, frozen=True):
    """One way to cut a card: compute slices, memory, and how many fit on one card."""

    name: str
    compute_slices: int
    memory_gib: float
    count_max: int


class AcceleratorModel(msgspec.Struct, frozen=True):
    """One model of card or chip.

    Attributes:
        name: The canonical name, ``A100-80GB``.
        vendor: ``nvidia``, ``amd``, ``google``, ``aws`` or ``intel``.
        resource: The Kubernetes extended resource its device plugin advertises.
        memory_gib: Nominal memory of one schedulable device; None where any card of the vendor will do.
        aliases: Other names users write.
        mig_profiles: The MIG profiles the card offers; empty where it has none.
        topologies: The slice topologies offered, for TPUs; empty elsewhere.
        chips_per_host: Chips of one host of a multi-host slice, for TPUs.
        node_labels: The labels of the nodes that have it, where a node selector must tell them from others.
    """

    name: str
    vendor: str
    resource: str
    memory_gib: float | None = None
    aliases: tuple[str, ...] = ()
    mig_profiles: tuple[MigProfile, ...] = ()
    topologies: tuple[str, ...] = ()
    chips_per_host: int | None = None
    node_labels: dict[str, str] = {}


class AcceleratorRequest(msgspec.Struct, frozen=True):
    """So many devices of a model, so many MIG slices of it, or a slice of a topology."""

    model: AcceleratorModel
    count: int
    mig_profile: MigProfile | None = None
    topology: str | None = None


@cache
def accelerator_models() -> dict[str, AcceleratorModel]:
    """Return the known models by canonical name, in the order of the data file."""
    with open(os.path.join(os.path.dirname(__file__), "accelerators.json"), "rb") as file:
        data = msgspec.json.decode(file.read())
    models = msgspec.convert(data["models"], tuple[AcceleratorModel, ...])
    return {model.name: model for model in models}


@cache
def _by_any_name() -> dict[str, AcceleratorModel]:
    return {name.lower(): model for model in accelerator_models().values() for name in (model.name, *model.aliases)}


def parse_accelerator(text: str) -> AcceleratorRequest:
    """Read ``"A100:1"``, ``"A100-MIG-3g.20gb:1"``, ``"tpu-v4:2x2x1"`` or ``"trainium:16"``.

    Raises:
        ValueError: The text has another form, the model or profile is unknown, or the card does not offer it.
    """
    found = _REQUEST.fullmatch(str(text).strip())
    if found is None:
        raise ValueError(
            f"{text!r} is no accelerator request: write MODEL:COUNT, MODEL-MIG-PROFILE:COUNT or tpu-v4:2x2x1"
        )
    model, profile = _model_and_profile(found)
    amount = found["amount"] or ("" if model.topologies else "1")
    if model.topologies or "x" in amount:
        return _slice_request(model, amount)
    if int(amount) < 1:
        raise ValueError(f"the number of {model.name} must be at least 1, got {amount}")
    return AcceleratorRequest(model, int(amount), mig_profile=profile)


def accelerator_named(text: str) -> tuple[AcceleratorModel, MigProfile | None]:
    """Return the model that a text names, and the MIG profile where it names one: ``"A100"``, ``"A100-MIG-3g.20gb"``.

    Raises:
        ValueError: There is no such model or profile, or the text says more.
    """
    found = _REQUEST.fullmatch(text)
    if found is None or found["amount"]:
        raise ValueError(f"{text!r} names no accelerator: write MODEL or MODEL-MIG-PROFILE")
    return _model_and_profile(found)


def _model_and_profile(found: re.Match[str]) -> tuple[AcceleratorModel, MigProfile | None]:
    model = _by_any_name().get(found["model"].lower())
    if model is None:
        raise ValueError(f"unknown accelerator {found['model']!r}; {nearest(found['model'], accelerator_models())}")
    return model, _profile(model, found["profile"]) if found["profile"] else None


def _profile(model: AcceleratorModel, name: str) -> MigProfile:
    profiles = {profile.name: profile for profile in model.mig_profiles}
    if name.lower() not in profiles:
        offered = f"it offers {', '.join(profiles)}" if profiles else "it can't be partitioned"
        others = [
            each.name
            for each in accelerator_models().values()
            if name.lower() in {profile.name for profile in each.mig_profiles}
        ]
        elsewhere = f"; {name} is a profile of {', '.join(others)}" if others else ""
        raise ValueError(f"{model.name} has no MIG profile {name!r}; {offered}{elsewhere}")
    return profiles[name.lower()]


def _slice_request(model: AcceleratorModel, amount: str) -> AcceleratorRequest:
    if not model.topologies:
        raise ValueError(f"{model.name} is counted, not sliced: write {model.name}:COUNT, got {amount!r}")
    if not _TOPOLOGY.fullmatch(amount):
        raise ValueError(
            f"{model.name} is asked for by topology, for instance {model.name}:{model.topologies[0]}, got {amount!r}"
        )
    if amount not in model.topologies:
        raise ValueError(f"{model.name} offers no topology {amount!r}; it offers {', '.join(model.topologies)}")
    return AcceleratorRequest(model, prod(int(side) for side in amount.split("x")), topology=amount)
