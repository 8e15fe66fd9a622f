"""Debugging a step on this machine: its inputs and code in a folder, and nothing of it in the run."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from projects import Project
from terminals import terminal

FLOW = """
    import os
    from pathlib import Path

    import fairlead
    from fairlead import flow, runtimes, step
    from parts.halves import half

    @step(cache=False)
    def load(rows: int) -> list[int]:
        return list(range(rows))

    @step(cache=False, retries=1, variables={"MODE": "fast"})
    def fit(xs: list[int], lr: float) -> tuple[float, str]:
        print("mode", os.environ["MODE"], "attempt", os.environ["FAIRLEAD_ATTEMPT"])
        print("beside", (Path(__file__).parent / "data.txt").read_text().strip())
        newest = fairlead.checkpoint().latest()
        print("from", newest.name if newest else None)
        with fairlead.checkpoint().save(at=7) as folder:
            (folder / "weights").write_text("w")
        fairlead.log(loss=lr)
        return half(sum(xs)) / (len(xs) - 3), "done"

    @step(cache=False)
    def written(rows: int) -> Path:
        Path("report.txt").write_text("rows")
        return Path("report.txt")

    @step(cache=False)
    def size(path: Path) -> int:
        return len(path.read_text())

    @step(cache=False)
    def square(x: int) -> int:
        if x == 2:
            raise ValueError("two")
        return x * x

    @step(cache=False)
    def after(x: float) -> float:
        return x

    @step(runtime=runtimes.torch(nodes=1, processes_per_node=2), cache=False)
    def ranked(x: int) -> int:
        return int(os.environ["WORLD_SIZE"])

    @flow(dynamic=True)
    def loop(rows: int = 1) -> int:
        return ranked(rows)

    @flow
    def failing(rows: int = 3):
        value, _ = fit(load(rows), 0.5)
        return after(value)

    @flow
    def mapped(rows: int = 3):
        size(written(rows))
        return square.map(load(rows))

    @flow
    def both(rows: int = 1):
        return loop(rows)
"""
HALVES = "def half(x: float) -> float:\n    return x / 2\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    files = {"flow.py": FLOW, "parts/__init__.py": "", "parts/halves.py": HALVES, "data.txt": "beside it\n"}
    return Project(tmp_path_factory.mktemp("debug"), {**files, "pyproject.toml": ""})


@pytest.fixture(scope="module")
def failed(project: Project) -> str:
    return str(project.document("run", "flow.py:failing", code=1)["run"])


def digest(folder: Path) -> dict[str, str]:
    """Return what is in a store, less the marks of what was looked at."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] in ("objects", "runs", "cache", "catalog")
    }


def debug(project: Project, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fairlead", "debug", *arguments], input=given, env={**project.environment, "SHELL": "/bin/sh"},
        cwd=project.folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def kept(project: Project) -> list[str]:
    folder = project.home / "debug"
    return os.listdir(folder) if folder.exists() else []


def test_again_fails_as_the_step_did_and_leaves_nothing(project: Project, failed: str) -> None:
    before = digest(project.home)
    done = debug(project, f"{failed}/fit", "--", "again")
    assert (done.returncode, done.stdout.splitlines()) == (
        1,
        ["mode fast attempt 2", "beside beside it", "from 000000000007"],
    )
    assert done.stderr.splitlines()[-1] == "ZeroDivisionError: float division by zero"
    assert "code/flow.py" in done.stderr and "worker/" not in done.stderr
    assert digest(project.home) == before
    assert kept(project) == []


def test_a_shell_says_what_there_is_and_edits_count(project: Project, failed: str, tmp_path: Path) -> None:
    before = digest(project.home)
    script = """
        pwd
        echo $MODE $FAIRLEAD_STEP
        python -c 'import flow; print(flow.half(4))'
        sed -i 's/ - 3)/ - 2)/' flow.py
        again
        exit 9
    """
    done = debug(project, f"{failed}/fit/0", "--attempt", "1", "--folder", str(tmp_path / "w"), given=script)
    assert done.returncode == 9
    out = done.stdout.splitlines()
    assert out[:3] == [str(tmp_path / "w" / "code"), "fast fit", "2.0"]
    assert "mode fast attempt 1" in out
    for line in (
        f"{failed}/fit/0   attempt 1 failed: ZeroDivisionError: float division by zero",
        "  inputs  xs = [0, 1, 2]",
        "          lr = 0.5",
        "  float  1.5",
        "  str  'done'",
        "  logged loss = 0.5",
    ):
        assert line in done.stderr.splitlines()
    assert "\nfit returned after " in done.stderr
    assert digest(project.home) == before
    again = debug(project, f"{failed}/fit/0", "--folder", str(tmp_path / "w"), "again")
    assert again.returncode == 0, "what was edited before is there"
    other = debug(project, f"{failed}/load", "--folder", str(tmp_path / "w"), "again")
    assert (other.returncode, f"{failed}/fit/0 is debugged there" in other.stderr) == (2, True)


def test_a_folder_with_edits_is_kept_and_named(project: Project, failed: str) -> None:
    done = debug(project, f"{failed}/fit", "--", "sh", "-c", "echo '# edited' >> parts/halves.py")
    (name,) = kept(project)
    folder = project.home / "debug" / name
    assert done.stderr.splitlines() == [
        f"kept {folder}, for parts/halves.py is not as recorded",
        f"  next   go on there: fairlead debug {failed}/fit/0 --folder {folder}",
    ]
    assert (
        debug(project, f"{failed}/fit/0", "--folder", str(folder), "tail", "-1", "parts/halves.py").stdout
        == "# edited\n"
    )
    subprocess.run(["rm", "-rf", str(folder)], check=True)


def test_the_debugger_stops_where_the_step_fails(project: Project, failed: str) -> None:
    done = debug(project, f"{failed}/fit", "--pdb", given="p xs, lr\nq\n")
    assert "([0, 1, 2], 0.5)" in done.stdout
    assert "ZeroDivisionError" in done.stderr


def test_an_interactive_python_has_the_function_and_its_inputs(project: Project, failed: str) -> None:
    done = debug(project, f"{failed}/fit", "--", "again", "--python", given="fit([2], lr=lr)[0]\n")
    assert "-0.5" in done.stdout
    assert done.stderr.startswith("fit(xs=xs, lr=lr) runs the step")


def test_files_are_given_and_of_several_instances_the_one_that_failed_is_meant(project: Project) -> None:
    run = project.document("run", "flow.py:mapped", code=1)["run"]
    done = debug(project, f"{run}/square", "--", "again")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "ValueError: two")
    done = debug(project, f"{run}/size", "--", "again")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "  int  4")


def test_a_terminal_s_shell_has_ctrl_c_for_itself(project: Project, failed: str, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "fairlead", "debug", f"{failed}/fit"]
    environment = {**project.environment, "SHELL": "/bin/sh", "PS1": "in> "}
    with terminal(words, environment, project.folder) as opened:
        opened.expect("the run stays as it is")
        opened.expect("in> ")
        opened.type("sh -c 'echo be''gun; exec sleep 600'\n")
        opened.expect("begun")
        opened.type("\x03")
        opened.expect("in> ")
        opened.type("again --pdb\n")
        opened.expect("(Pdb) ")
        opened.type("p len(xs) - 3\n")
        opened.expect("0\r\n")
        opened.type("q\n")
        opened.expect("in> ")
        opened.type("exit 4\n")
        assert opened.ended() == 4
    assert kept(project) == []


def test_code_of_a_project_that_has_gone_is_still_there(tmp_path: Path) -> None:
    project = Project(tmp_path, {"flow.py": FLOW, "parts/__init__.py": "", "parts/halves.py": HALVES, "data.txt": "x"})
    run = project.document("run", "flow.py:failing", code=1)["run"]
    for name in ("flow.py", "parts/__init__.py", "parts/halves.py"):
        (project.folder / name).unlink()
    done = debug(project, f"{run}/fit", "--", "sh", "-c", "ls && again")
    assert done.stdout.splitlines()[:2] == ["flow.py", "parts"]
    assert "No such file or directory" in done.stderr  # the data beside it, which was not recorded


def test_a_step_with_ranks_is_one_rank_alone(project: Project) -> None:
    run = project.document("run", "flow.py:both")["run"]
    done = debug(project, f"{run}/ranked", given="again\n")
    assert "of its 2 ranks there is one, alone: WORLD_SIZE is 1" in done.stderr
    assert done.stderr.splitlines()[-1] == "  int  1"
    refused = debug(project, f"{run}/loop", "again")
    assert refused.returncode == 2
    assert refused.stderr.splitlines() == [
        f"error: {run}/loop/0 can't be debugged",
        "  why    it is a dynamic flow, whose body calls steps",
        f"  next   see its steps, and debug one of them: fairlead get {run}",
    ]


@pytest.mark.parametrize(
    ("target", "options", "code", "shown"),
    [
        ("", [], 2, "next   name it: fairlead debug {run}/fit"),
        ("/fitt", [], 4, "did you mean 'fit'?"),
        ("/fit/3", [], 4, "why    its last is 0"),
        ("/fit", ["--attempt", "5"], 4, "why    attempts that were made: 1, 2"),
        ("/after", [], 2, "why    it is blocked"),
        ("/fit/0/1", [], 2, "a rank is not debugged by itself"),
        ("/fit", ["--pdb", "ls"], 2, "--pdb is a command of its own"),
        ("/fit", ["--folder", "."], 2, "has other things in it"),
        ("/fit", ["--", "no-such-program"], 127, "cannot run no-such-program"),
    ],
)
def test_what_can_not_be_debugged_says_why(
    project: Project, failed: str, target: str, options: list[str], code: int, shown: str
) -> None:
    done = debug(project, f"{failed}{target}", *options)
    assert done.returncode == code, done.stderr
    assert shown.format(run=failed) in done.stderr


@pytest.mark.parametrize("verb", ["exec", "attach", "port-forward"])
def test_a_run_without_pods_says_what_to_do_instead(project: Project, failed: str, verb: str) -> None:
    done = project.call(verb, f"{failed}/fit/0", *(["80"] if verb == "port-forward" else []))
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"error: fairlead {verb} is about pods, and run {failed} has none",
        "  why    its steps are processes of this machine, which you can look at as at any other",
        f"  next   go through the step again: fairlead debug {failed}/fit/0   or name its cluster: --on CONTEXT",
    ]
