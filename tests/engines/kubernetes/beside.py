"""Fixtures for what tests need beside a cluster: components that run beside a testbed, and images of the tests' own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from servers.cluster import Cluster
from testbed import images, state, versions
from testbed.state import State


def running(run: Callable[[State], AbstractContextManager[Any]]) -> Any:
    """Return a fixture: the cluster, beside which something runs while a module's tests do."""

    @pytest.fixture(scope="module")
    def beside(cluster: Cluster) -> Iterator[Cluster]:
        if os.environ.get("FAIRLEAD_TEST_KUBECONFIG"):
            pytest.skip("this component runs beside a testbed: unset FAIRLEAD_TEST_KUBECONFIG")
        with run(state.current()):
            yield cluster

    return beside


def image(name: str) -> Any:
    """Return a fixture: the image of a folder beside this file, built where it is not there yet."""

    @pytest.fixture(scope="module")
    def built(cluster: Cluster) -> str:
        folder = Path(__file__).parent / name
        content = [each.read_bytes() for each in sorted(folder.iterdir())]
        tag = f"localhost/fairlead-{name}:{versions.digest([*content, images.python_tag().encode()])}"
        images.load(folder / "Containerfile", folder, tag)
        return tag

    return built
