"""The state folder: its limits, its owner, and files that are whole or not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed import cluster, versions, worker
from testbed.faults import TestbedError
from testbed.state import LONGEST, Owner, State, current, ours, write


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path)


def test_the_folder_is_the_one_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRLEAD_TESTBED", "/tmp/bed")
    assert current() == State(Path("/tmp/bed"))


@pytest.mark.parametrize("folder", ["/tmp/" + "x" * LONGEST, "/tmp/a b"])
def test_a_folder_that_sockets_and_configurations_cannot_hold_is_refused(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRLEAD_TESTBED", folder)
    with pytest.raises(TestbedError, match="FAIRLEAD_TESTBED"):
        current()


def test_nobody_owns_a_fresh_folder_and_this_checkout_what_it_started(state: State) -> None:
    assert state.owner() is None
    state.own()
    assert state.owner() == ours() == Owner(str(versions.HERE.parent), versions.whole())
    state.disown()
    assert state.owner() is None


def test_two_state_folders_have_different_marks() -> None:
    assert State(Path("/tmp/a")).mark != State(Path("/tmp/b")).mark


def test_a_secret_file_is_readable_to_its_owner_only_whatever_was_there_before(tmp_path: Path) -> None:
    file = tmp_path / "deep/secret"
    write(file, "old", mode=0o644)
    write(file, "new", mode=0o600)
    assert (file.read_text(), file.stat().st_mode & 0o777, len(list(file.parent.iterdir()))) == ("new", 0o600, 1)


def test_the_context_line_names_everything_that_fairlead_must_know(state: State) -> None:
    running = cluster.Running("192.0.2.7", "boot", "localhost/fairlead-python:key")
    write(state.folder / "running.json", json.dumps(running._asdict()))

    assert cluster.context_line(state) == (
        f"fairlead context add testbed --kubeconfig {state.folder}/admin.kubeconfig --kube-context testbed"
        " --namespace fairlead --store s3://fairlead/store --store-secret fairlead-store"
        f" --store-env {state.folder}/store.env --service-account fairlead-worker"
        f" --driver-service-account fairlead-driver --image {worker.examples_tag()}"
        f" --worker-image {worker.worker_tag()} --delivery volume --user 65532 --queue fairlead"
    )


def test_without_a_testbed_there_is_no_context_line_and_status_says_how_to_get_one(state: State) -> None:
    with pytest.raises(TestbedError, match="make cluster"):
        cluster.context_line(state)
    assert cluster.report(state) == (False, ["no testbed is up: make cluster"])


def test_a_start_that_was_not_completed_is_not_healthy(state: State) -> None:
    state.own()
    healthy, lines = cluster.report(state)
    assert not healthy
    assert lines[-1].startswith("not healthy")


def test_status_tells_why_a_component_is_missing(state: State) -> None:
    state.own()
    write(state.absent / "kueue", "go build gave 1")
    assert "absent  kueue: go build gave 1" in cluster.report(state)[1]
