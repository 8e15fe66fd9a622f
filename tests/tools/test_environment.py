"""What ``make`` says where no environment can be made."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


class Clone:
    """A clone with nothing in it but what makes the environment, and a PATH of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "clone"
        self.programs = folder / "bin"
        for each in ("tools", "requirements"):
            (self.folder / each).mkdir(parents=True)
        self.programs.mkdir()
        for name in ("tools/environment.sh", "pyproject.toml", "requirements/demo.txt", "requirements/dev.txt"):
            shutil.copy(ROOT / name, self.folder / name)
        for name in ("bash", "cat", "dirname", "env", "mkdir", "rm", "touch"):
            (self.programs / name).symlink_to(str(shutil.which(name)))

    def add(self, name: str, script: str) -> str:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return str(path)

    def make(self, **variables: str) -> subprocess.CompletedProcess[str]:
        bash = str(self.programs / "bash")
        return subprocess.run(
            [bash, "tools/environment.sh", "demo"],
            cwd=self.folder, env={"PATH": str(self.programs), **variables}, capture_output=True, text=True, check=False,
        )  # fmt: skip


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_a_python_that_does_not_fit_is_refused_by_its_name(clone: Clone) -> None:
    old = clone.add("python2.7", "exit 1")

    done = clone.make(PYTHON=old)

    assert done.returncode == 1
    assert f"PYTHON={old} is no Python 3.11, 3.12, 3.13 or 3.14" in done.stderr


def test_a_python_without_venv_names_the_package_that_brings_it(clone: Clone) -> None:
    # Debian's python3 without python3-venv: it runs, and can't import ensurepip
    bare = clone.add("python-bare", 'case "$2" in *ensurepip*) exit 1;; *"%d.%d"*) echo 3.12;; esac; exit 0')

    done = clone.make(PYTHON=bare)

    assert done.returncode == 1
    assert "sudo apt-get install python3" in done.stderr and "-venv" in done.stderr
    assert len(done.stderr.splitlines()) == 2
    assert not (clone.folder / ".venv").exists()


def test_without_any_python_the_line_that_installs_one_is_printed(clone: Clone) -> None:
    done = clone.make(SYSTEM_PYTHON="")

    assert done.returncode == 1
    assert "sudo apt-get install python3" in done.stderr


def test_an_environment_of_somebody_else_is_left_alone(clone: Clone) -> None:
    theirs = clone.folder / ".venv" / "bin"
    theirs.mkdir(parents=True)
    good = clone.add("python-good", f'exec "{sys.executable}" "$@"')

    done = clone.make(PYTHON=good)

    assert done.returncode == 1
    assert "was not made by this Makefile" in done.stderr
    assert theirs.is_dir()


def test_an_environment_that_is_active_is_not_made_with_its_own_interpreter(clone: Clone) -> None:
    own = clone.folder / ".venv" / "bin"
    own.mkdir(parents=True)
    (own / "python3").write_text("#!/bin/sh\nexit 0\n")  # it fits, and can make environments
    (own / "python3").chmod(0o755)

    done = clone.make(PATH=f"{own}:{clone.programs}", SYSTEM_PYTHON="")

    assert done.returncode == 1
    assert "there is none here" in done.stderr
