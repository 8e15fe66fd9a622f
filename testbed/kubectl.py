"""Applying manifests with kubectl, which is built with the rest."""

from __future__ import annotations

import contextlib
import json
import string
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from . import commands, versions
from .building import build
from .faults import TestbedError
from .processes import wait_until
from .state import State

MANIFESTS = versions.HERE / "manifests"


def apply(state: State, name: str, **values: str) -> None:
    """Apply a file of ``manifests/``.

    Args:
        state: Whose API server.
        name: The file.
        values: What stands for ``${NAME}`` in it.
    """
    text = string.Template((MANIFESTS / name).read_text("utf-8")).substitute(values)
    run(state, "apply", "--server-side", "--force-conflicts", "--filename=-", given=text)


def apply_definitions(state: State, component: str) -> None:
    """Apply a component's custom resource definitions, and wait until the API server serves them."""
    folder = build(component) / "crds"
    run(state, "apply", "--server-side", "--force-conflicts", f"--filename={folder}")
    if not wait_until(lambda: _are_established(state, folder), timeout_s=30):
        raise TestbedError(f"the API server does not come to serve what {folder} defines")


def _are_established(state: State, folder: Path) -> bool:
    """Say whether definitions are served; ``kubectl wait`` fails on one that has no conditions yet."""
    found = json.loads(run(state, "get", f"--filename={folder}", "--output=json"))
    conditions = [each.get("status", {}).get("conditions") or () for each in found.get("items", [found])]
    return all(any((each["type"], each["status"]) == ("Established", "True") for each in own) for own in conditions)


@contextlib.contextmanager
def applied(state: State, definitions: Sequence[Path], manifest: str) -> Iterator[Callable[[], None]]:
    """Have definitions of kinds and other objects in the API server until the block ends.

    Args:
        state: Whose API server.
        definitions: Files with the definitions.
        manifest: The other objects.

    Yields:
        What removes the definitions before that, and all objects of their kinds: while the webhooks that hear of
        the last changes of those still answer.
    """
    files = [f"--filename={each}" for each in definitions]

    def remove() -> None:
        run(state, "delete", "--ignore-not-found", "--timeout=60s", *files)

    try:
        run(state, "apply", "--server-side", "--force-conflicts", *files)
        run(state, "apply", "--server-side", "--force-conflicts", "--filename=-", given=manifest)
        run(state, "wait", "--for=create", "--timeout=30s", *files)
        run(state, "wait", "--for=condition=Established", "--timeout=30s", *files)
        yield remove
    finally:
        run(state, "delete", "--ignore-not-found", "--filename=-", given=manifest)
        remove()


def run(state: State, *arguments: str, given: str = "") -> str:
    """Run kubectl as the administrator and return what it prints.

    Raises:
        TestbedError: It failed; the message is its own.
    """
    program = build("kubernetes") / "kubectl"
    options = [f"--kubeconfig={state.kubeconfig}", f"--cache-dir={state.folder / 'kubectl-cache'}"]
    return commands.run(program, *options, *arguments, given=given)
