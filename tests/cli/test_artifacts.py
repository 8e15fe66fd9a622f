"""``fairlead artifacts``: values listed, printed, written and opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from finished import Command, Finished


def test_values_are_listed(finished: Finished, command: Command) -> None:
    found = command("artifacts", "ls", finished.first, "-o", "json").document
    kinds = [
        (each["step"], each["index"], each["output"], each["type"], each["format"], each["name"]) for each in found
    ]
    assert kinds == [
        ("load", 0, 0, "list", "json", None),
        ("square", 0, 0, "int", "json", None),
        ("square", 1, 0, "int", "json", None),
        ("square", 2, 0, "int", "json", None),
        ("flaky", 0, 0, "str", "json", None),
        ("flaky", 0, 1, "bytes", "bytes", None),
        ("report", 0, 0, "pathlib.Path", "file", "report.md"),
        ("pages", 0, 0, "pathlib.Path", "folder", "site"),
    ]
    assert command("artifacts", "ls", f"{finished.first}/square/1").out.splitlines()[1].split()[:3] == [
        "square/1",
        "0",
        "int",
    ]


def test_a_small_value_is_printed(finished: Finished, command: Command) -> None:
    assert command("artifacts", "get", f"{finished.first}/load").out == "[\n  0,\n  1,\n  2\n]\n"
    assert command("artifacts", "get", f"{finished.first}/square/2").out == "4\n"
    assert command("artifacts", "get", f"{finished.first}/flaky", "--output-number", "0").out == "text äö\n"
    assert command("artifacts", "get", f"{finished.first}/report").out == "# Report\n"
    assert command("artifacts", "get", f"{finished.first}/load", "-o", "json").document == [0, 1, 2]


def test_a_value_is_written_under_the_name_that_fits(finished: Finished, command: Command, tmp_path: Path) -> None:
    def get(step: str, to: str, *more: str) -> str:
        shown = command("artifacts", "get", f"{finished.first}/{step}", "--to", to, *more)
        assert shown.code == 0, shown.err
        return shown.out

    assert get("square/2", f"{tmp_path}/number") == f"wrote {tmp_path}/number.json (1 B)\n"
    assert (tmp_path / "number.json").read_text() == "4"
    get("flaky", str(tmp_path), "--output-number", "1")
    assert (tmp_path / "flaky-0-1.bin").read_bytes() == b"\xff\x00"
    get("report", f"{tmp_path}/new/")
    copy = tmp_path / "new" / "report.md"
    copy.write_text(copy.read_text() + "mine")  # a copy may be changed, and the stored one stays
    get("report", f"{tmp_path}/other.txt")
    assert (tmp_path / "other.txt").read_text() == "# Report\n"
    assert get("pages", f"{tmp_path}/pages") == f"wrote the folder {tmp_path}/pages\n"
    assert (tmp_path / "pages" / "deep" / "page.txt").read_text() == "page"


def test_opening_prints_the_path_where_there_is_no_display(finished: Finished, command: Command) -> None:
    assert Path(command("artifacts", "open", f"{finished.first}/report").out.strip()).name == "report.md"
    path = Path(command("artifacts", "open", f"{finished.first}/load").out.strip())
    assert (path.name, path.read_text()) == ("load-0.json", "[0,1,2]")


def test_opening_hands_the_path_to_the_desktop(
    finished: Finished, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "xdg-open"
    program.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("sys.platform", "linux")
    shown = command("artifacts", "open", f"{finished.first}/report")
    assert (tmp_path / "opened").read_text() == shown.out


CASES = {
    "get {run}": (2, ["named as RUN/STEP", "artifacts ls {run}"]),
    "get {run}/square": (2, ["step square has 3 values", "{run}/square/0"]),
    "get {run}/flaky": (2, ["has 2 outputs", "--output-number, from 0 to 1"]),
    "get {run}/flaky --output-number 2": (4, ["has no output 2", "it has 2, counted from 0"]),
    "get {run}/flaky --output-number 1": (2, ["is not printed", "no UTF-8 text", "--to PATH"]),
    "get {run}/flaky -o json --output-number 1": (2, ["is no JSON", "stored as bytes"]),
    "get {run}/pages": (2, ["is not printed", "the folder 'site'"]),
    "get {run}/square/3": (4, ["has no index 3", "its last is 2"]),
    "get {run}/squar": (4, ["has no step 'squar'", "did you mean 'square'?"]),
    "get {run}/square/1/0": (2, ["names a rank"]),
    "get {failed}/broken": (4, ["has no value", "the step is failed"]),
    "get {run}/report --to /dev/null/x": (2, ["cannot write /dev/null/x"]),
    "get": (2, ["required: RUN/STEP[/INDEX]", "fairlead artifacts get --help"]),
    "ls nothing": (4, ["there is no run 'nothing'"]),
}


@pytest.mark.parametrize("arguments", CASES)
def test_what_can_not_be_is_explained(finished: Finished, command: Command, arguments: str) -> None:
    code, parts = CASES[arguments]
    names = {"run": finished.first, "failed": finished.failed}
    shown = command("artifacts", *arguments.format(**names).split())
    assert shown.code == code, shown.err
    for part in parts:
        assert part.format(**names) in shown.err
    assert len(shown.err.splitlines()) <= 4


def test_a_large_value_is_not_printed(finished: Finished, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fairlead.runs.artifacts.SHOWN_MAX", 4)
    shown = command("artifacts", "get", f"{finished.first}/load")
    assert (shown.code, "it is 7 B, more than the 4 B that are printed" in shown.err) == (2, True)


def test_a_folder_is_not_written_over_another(finished: Finished, command: Command, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    shown = command("artifacts", "get", f"{finished.first}/pages", "--to", str(tmp_path))
    assert (shown.code, "is there already" in shown.err) == (2, True)
