"""Runs that go from this machine into pods and back, where the pods are processes: what needs no cluster for it."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("engines.crossing")
from engines.crossing import CrossingContract, DriverCrossing, Sites  # noqa: E402  # rewritten first
from engines.local.driving import LocalLaunch, driver, steps_of, wait_for  # noqa: E402
from fairlead.runs.handles import Run  # noqa: E402
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

    def test_a_run_whose_driver_was_killed_goes_on_in_pods(self, here, pods, file):
        """With what it had found in the cache, of which only its driver had taken note, and the number of its attempt."""
        here(file, "chained", {"x": 1}, use_cache=True)
        with driver(pods.home, "run", f"{file}:stopped", "-o", "json") as started:
            wait_for(lambda: [each.status for each in steps_of(here.store, started.run, "stuck")] == ["running"])
            run = started.run
            started.kill()
        resumed = pods.resume(run)
        assert (resumed.report.status, Run(here.store, run, resumed.report).result()) == ("succeeded", 5)
        assert resumed.report.steps[0].cached
        assert [each.status for each in resumed.report.steps[1].attempts] == ["lost", "succeeded"]


class TestOutOfPods(_Processes):
    @pytest.fixture
    def sites(self, here, pods):
        return Sites(pods, here)


@pytest.mark.slow
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
