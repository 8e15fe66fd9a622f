"""Runs that go from this machine into pods and back, where the pods are processes: what needs no cluster for it."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("engines.crossing")
from engines.crossing import CrossingContract, DriverCrossing, Sites  # noqa: E402  # rewritten first
from engines.local.driving import LocalLaunch  # noqa: E402
from worker.pods.running import PodLaunch  # noqa: E402


class _Processes(CrossingContract):
    @pytest.fixture
    def here(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
        with LocalLaunch(tmp_path / "home", capsys) as launch:
            yield launch

    @pytest.fixture
    def pods(self, tmp_path, here):
        return PodLaunch(tmp_path, here.store)

    @pytest.fixture
    def resume_with_current_code(self):
        def resume(launch, run):
            if isinstance(launch, PodLaunch):
                return launch.resume_with_current_code(run)
            return launch.resume(run, with_current_code=True)

        return resume


class TestIntoPods(_Processes):
    @pytest.fixture
    def sites(self, here, pods):
        return Sites(here, pods)


class TestOutOfPods(_Processes):
    @pytest.fixture
    def sites(self, here, pods):
        return Sites(pods, here)


class TestInPods(_Processes):
    @pytest.fixture
    def sites(self, pods):
        return Sites(pods, pods)


class TestDriversHere(DriverCrossing):
    """The table itself: from this machine to this machine, in another process's stead."""

    @pytest.fixture
    def sites(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
        with LocalLaunch(tmp_path / "home", capsys) as launch:
            yield Sites(launch, launch)
