"""Where a pod stands: what the arguments of its command say."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fairlead.specs.status import SPENT
from fairlead.store.backends import Backend
from fairlead.store.opening import open_backend

PATIENCE_S = 240.0
"""How long a pod goes on with a request to a store that is away: nobody waits at a keyboard, and what it has computed
would be lost. Signatures of requests are good for five minutes."""


class Place(NamedTuple):
    """Where a pod stands: its run, its instance, and the folders it may write to.

    Attributes:
        revision: Which of the run's specs counts.
        generation: The number of the claim that the run was submitted under.
        cancels_before: How often somebody had asked to cancel the run before.
        node: The number of the node; -1 for a driver's call.
        item: Which of its items.
        call: For a driver's call the instance that it became, ``step.index``.
        trial: For a trial that a component proposes to the sweep that the node is: the component's name for it.
        given: What it proposes, ``NAME=TEXT`` each.
        work: The folder for code, values and logs.
        facts: The folder that the workflow's executor reads.
        spent: The exit code where no other attempt may follow.
    """

    store: str
    run: str
    revision: int
    generation: int
    cancels_before: int
    node: int
    item: int
    call: str
    trial: str
    given: list[str]
    work: Path
    facts: Path
    spent: int


def read_place(arguments: Sequence[str] | None) -> Place:
    """Read the arguments of the command of a step's pod."""
    parser = identity_parser("fairlead-pod")
    parser.add_argument("--item", type=int, default=0)
    parser.add_argument("--node", type=int, default=-1)
    parser.add_argument("--call", default="")
    parser.add_argument("--trial", default="")
    parser.add_argument("--given", action="append", default=[])
    parser.add_argument("--facts", type=Path, required=True)
    parser.add_argument("--spent", type=int, default=SPENT)
    return Place(**vars(parser.parse_args(arguments)))


def identity_parser(program: str) -> argparse.ArgumentParser:
    """Return a parser of the arguments that say which run a pod is of: see `fairlead.targets.pods.identity`."""
    parser = argparse.ArgumentParser(prog=program)
    for name in ("store", "run"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("revision", "generation", "cancels-before"):
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path())
    return parser


def open_store(url: str) -> Backend:
    """Open the store of a run in one of its pods, with the patience that a pod has.

    Raises:
        StoreError: It can't be reached, refuses, or has no exclusive create.
    """
    return open_backend(url, patience_s=PATIENCE_S)
