"""Applying manifests with kubectl, which is built with the rest."""

from __future__ import annotations

import string

from . import commands, versions
from .building import build
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
    run(state, "wait", "--for=condition=Established", "--timeout=30s", f"--filename={folder}")


def run(state: State, *arguments: str, given: str = "") -> str:
    """Run kubectl as the administrator and return what it prints.

    Raises:
        TestbedError: It failed; the message is its own.
    """
    program = build("kubernetes") / "kubectl"
    options = [f"--kubeconfig={state.kubeconfig}", f"--cache-dir={state.folder / 'kubectl-cache'}"]
    return commands.run(program, *options, *arguments, given=given)
