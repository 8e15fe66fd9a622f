"""``fairlead package``: what would travel, with sizes and notes."""

from __future__ import annotations

from pathlib import Path

import pytest

from finished import Command


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    """A flow's file in a project, with state and a secret in it; importing it fails."""
    folder = tmp_path / "project"
    for name, text in {
        "pyproject.toml": "",
        "flow.py": "import lib\nraise SystemExit(3)\n",
        "lib.py": "x" * 2000,
        ".env": "TOKEN=1",
        "home/runs/x": "",
        "store/objects/x": "",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "flow.py"


def test_files_are_listed_the_biggest_first_and_state_does_not_travel(
    command: Command, flow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRLEAD_STORE", str(flow.parent / "store"))
    shown = command("package", f"{flow}:name", home=flow.parent / "home")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.splitlines() == [
        "SIZE     FILE",
        "2.0 KiB  lib.py",
        "31 B     flow.py",
        "0 B      pyproject.toml",
        "",
        "3 files, 2.0 KiB of at most 64.0 MiB",
        "note: left out, because secrets have such names and Git does not track them: .env",
    ]


def test_the_document_holds_the_packages_digest(command: Command, flow: Path, tmp_path: Path) -> None:
    first, second = (command("package", str(flow), "-o", "json", home=tmp_path / "home").document for _ in range(2))
    assert first == second
    assert (first["file"], first["module"], first["root"]) == ("flow.py", "flow", str(flow.parent))
    assert {"path": "lib.py", "kind": "file", "size_bytes": 2000} in first["files"]
    assert sum(each["size_bytes"] for each in first["files"]) == first["size_bytes"]
    (flow.parent / "lib.py").chmod(0o755)
    third = command("package", str(flow), "-o", "json", home=tmp_path / "home").document
    assert third["digest"] != first["digest"]


def test_a_file_that_does_not_exist_is_refused(command: Command, flow: Path) -> None:
    shown = command("package", str(flow.with_name("flwo.py")))
    assert (shown.code, shown.out) == (2, "")
    assert "did you mean 'flow.py'" in shown.err
