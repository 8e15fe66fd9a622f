"""``fairlead image build``: printed without a cluster, and refused where something is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from fairlead.cli.main import call

ADD = ["context", "add", "lab", "--store", "s3://b/p", "--namespace", "ml"]
BUILD = ["image", "build", "lock.txt", "--push", "registry.example/work:1", "--on", "lab", "--render"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FAIRLEAD_CONTEXT", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lock.txt").write_text("a==1\n")
    return tmp_path


def test_it_is_printed_without_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    assert call([*ADD, "--image", "python:3.12", "--worker-image", "w"]) == 0
    capsys.readouterr()
    assert call([*BUILD, "--namespace", "builds"]) == 0
    config, job = yaml.safe_load_all(capsys.readouterr().out)
    assert config["data"]["requirements.txt"] == "a==1\n"
    assert config["data"]["Containerfile"].startswith("FROM python:3.12\n")
    assert (job["kind"], job["metadata"]["namespace"]) == ("Job", "builds")


@pytest.mark.parametrize(
    ("added", "options", "said"),
    [
        ([], [], "it has no image"),
        (["--image", "i"], [], "it has no worker-image"),
        (["--image", "i", "--worker-image", "w"], ["--base", "a,push=false"], "can't be the name of an image"),
    ],
)
def test_what_is_missing_or_wrong_is_named(
    capsys: pytest.CaptureFixture[str], added: list[str], options: list[str], said: str
) -> None:
    assert call([*ADD, *added]) == 0
    assert call([*BUILD, *options]) == 2
    assert said in capsys.readouterr().err


def test_it_needs_a_context_and_a_lock(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    assert call([each for each in BUILD if each not in ("--on", "lab")]) == 2
    assert "needs a cluster" in capsys.readouterr().err
    call([*ADD, "--image", "i", "--worker-image", "w"])
    (place / "lock.txt").write_text("a>=1\n")
    assert call(BUILD) == 2
    assert "line 1: 'a>=1' is not pinned" in capsys.readouterr().err
