"""Runs that go from this machine to a real cluster and back: what needs pods that create others, and a few more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.register_assert_rewrite("engines.crossing")
from engines.crossing import DriverCrossing, Sites, check_resumed, copied, result, words  # noqa: E402
from engines.local.driving import LocalLaunch, wait_for  # noqa: E402
from fairlead.cli.main import call  # noqa: E402
from fairlead.kube.client import Client  # noqa: E402
from fairlead.kube.connecting import connect  # noqa: E402
from fairlead.kube.resources import JOB, POD, SERVICE, WORKFLOW, Kind  # noqa: E402
from fairlead.runs.home import home  # noqa: E402
from fairlead.store.opened import Store  # noqa: E402
from fairlead.targets import naming  # noqa: E402
from fairlead.testing.engines import Ended  # noqa: E402

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(900)]


class At(LocalLaunch):
    """Runs flows in one place, by the command line."""

    on = "local"

    def begin(self, *arguments: Any, **options: Any) -> str:
        with self._there():
            return super().begin(*arguments, **options)

    def cancel(self, run: str) -> Ended:
        with self._there():
            return super().cancel(run)

    def _call(self, *arguments: str) -> Ended:
        return super()._call(*arguments, "--on", self.on)

    @contextmanager
    def _there(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("FAIRLEAD_CONTEXT", self.on)
            yield


@pytest.fixture
def places(registered, monkeypatch, capsys) -> Iterator[tuple[At, At]]:
    """Return this machine and the cluster, which see one store."""
    monkeypatch.setenv("FAIRLEAD_STORE", registered.store)
    store = Store(registered.store, home() / "host")
    with At(home(), capsys, store, patience_s=400) as here, At(home(), capsys, store, patience_s=400) as there:
        there.on = registered.name
        yield here, there


class TestIntoTheCluster(DriverCrossing):
    @pytest.fixture
    def sites(self, places):
        return Sites(*places)


class TestOutOfTheCluster(DriverCrossing):
    @pytest.fixture
    def sites(self, places):
        return Sites(*reversed(places))


@pytest.mark.parametrize("first", [0, 1], ids=["into", "out of"])
def test_a_half_done_map_and_a_checkpoint_go_along(places, tmp_path: Path, first: int) -> None:
    sites, file = Sites(places[first], places[1 - first]), copied(tmp_path)
    ended = sites.first(file, "half_mapped", {"count": 3})
    assert ended.report.status == "failed", words(ended)
    check_resumed(sites, ended, sites.second.resume(ended.report.run), 6)
    trained = sites.first(file, "trained", {"epochs": 2})
    resumed = sites.second.resume(trained.report.run)
    assert result(sites, resumed) == "2 of attempt 2: weights of 2", words(resumed)


def test_a_run_goes_on_in_a_cluster_with_other_code(places, tmp_path: Path) -> None:
    _, there = places
    sites, file = Sites(there, there), copied(tmp_path)
    ended = there(file, "changed", {"x": 3})
    before = {each.name: each.artifact for each in ended.report.steps}
    file.write_text(file.read_text().replace("return x * 1", "return x + 2"))
    resumed = there.resume(ended.report.run, with_current_code=True)
    assert resumed.report.status == "succeeded", words(resumed)
    after = {each.name: each.artifact for each in resumed.report.steps}
    assert {name for name in after if after[name] == before[name]} == {"apart", "kept", "parity"}
    assert result(sites, resumed)[3] == 0


def test_a_removed_run_leaves_nothing_in_the_cluster(places, registered, tmp_path: Path) -> None:
    """Its gang's job and Service go with the pod that made them."""
    _, there = places
    ended = there(copied(tmp_path), "gang", {})
    client = Client(connect(registered.kube_context, kubeconfig=registered.kubeconfig))

    def left(kind: Kind) -> list[Any]:
        labels = {naming.RUN: ended.report.run}
        return client.list(kind, namespace=registered.namespace, labels=labels, metadata_only=True).items

    assert left(WORKFLOW) and left(POD)
    assert call(["rm", ended.report.run, "--on", registered.name]) == 0
    assert not left(WORKFLOW)
    wait_for(lambda: not any(map(left, (POD, JOB, SERVICE))), patience_s=120)
