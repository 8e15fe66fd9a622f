"""Which files of a project travel."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fairlead.errors import UsageError
from fairlead.packaging.listing import project_tree
from fairlead.packaging.project import find_project

Git = Callable[..., None]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with a flow."""
    folder = tmp_path / "project"
    put(folder, "pyproject.toml", "flow.py")
    return folder


@pytest.fixture
def git(root: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """Git, at work in the project, which is a repository."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)

    def call(*words: str, folder: Path = root) -> None:
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "protocol.file.allow=always"]
        subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)

    call("init")
    return call


def put(folder: Path, *names: str, text: str = "") -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names(root: Path, *without: Path) -> set[str]:
    return {each.name for each in project_tree(find_project(root / "flow.py"), without).entries}


def notes(root: Path) -> str:
    return "\n".join(project_tree(find_project(root / "flow.py")).notes)


OWN = {"pyproject.toml", "flow.py"}


def test_in_a_work_tree_tracked_files_travel_and_those_that_git_does_not_ignore(root: Path, git: Git) -> None:
    put(root, "lib/a.py", "lib/deep/table.csv", "tracked.log", "ignored.log", "new.yaml", "gone.py")
    put(root, ".gitignore", text="*.log\n")
    git("add", "--force", "lib", "tracked.log", "gone.py")
    (root / "gone.py").unlink()
    assert names(root) == OWN | {"lib/a.py", "lib/deep/table.csv", "tracked.log", "new.yaml", ".gitignore"}
    assert notes(root) == ""


def test_a_project_within_a_work_tree_is_listed_alone(root: Path, git: Git) -> None:
    put(root, "inner/pyproject.toml", "inner/flow.py", "inner/x.txt", "inner/y.log", "outer.txt")
    put(root, ".gitignore", text="*.log\n")
    assert names(root / "inner") == OWN | {"x.txt"}


def test_submodules_and_repositories_within_travel_with_their_own_rules(root: Path, git: Git, tmp_path: Path) -> None:
    library = tmp_path / "library"
    put(library, "mod.py", "mod.log")
    put(library, ".gitignore", text="*.log\n")
    git("init", folder=library)
    git("add", ".", folder=library)
    git("commit", "-m", "x", folder=library)
    git("submodule", "add", str(library), "sub")
    git("submodule", "add", str(library), "absent")
    git("submodule", "deinit", "--force", "absent")
    put(root / "sub", "own.log", "own.txt")
    git("clone", str(library), str(root / "nested"))
    found = names(root)
    assert found - OWN == {
        ".gitmodules",
        "sub/mod.py",
        "sub/.gitignore",
        "sub/own.txt",
        "nested/mod.py",
        "nested/.gitignore",
    }


def test_what_tools_leave_behind_travels_only_where_git_tracks_it(root: Path, git: Git) -> None:
    put(
        root,
        ".venv/pyvenv.cfg",
        ".venv/lib/x.py",
        "env/pyvenv.cfg",
        "env/x.py",
        "conda/conda-meta/x",
        "build/a",
        "src/build/a.py",
    )
    put(root, "__pycache__/x.pyc", "node_modules/x.js", "x.egg-info/PKG-INFO", "lib/__pycache__/kept.pyc")
    git("add", "--force", "lib/__pycache__/kept.pyc")
    assert names(root) == OWN | {"src/build/a.py", "lib/__pycache__/kept.pyc"}


def test_without_git_all_but_what_tools_leave_behind_travels(root: Path) -> None:
    put(
        root,
        "a.log",
        "lib/data/x.csv",
        "src/build/a.py",
        "build/a",
        ".hg/x",
        ".ipynb_checkpoints/x",
        ".venv/x",
        "old/pyvenv.cfg",
        "old/x",
    )
    assert names(root) == OWN | {"a.log", "lib/data/x.csv", "src/build/a.py"}


def test_state_and_stores_in_the_project_do_not_travel(root: Path, git: Git) -> None:
    put(root, "state/runs/1", "state/code.py", ".fairlead/x", "lib/.fairlead/y", "lib/x")
    assert names(root, root / "state") == OWN | {"lib/x"}
    git("add", "--force", ".fairlead")
    assert names(root, root / "state") == OWN | {"lib/x"}


def test_the_users_own_file_leaves_out_more_and_is_no_reason_to_take_less_of_what_is_imported(
    root: Path, git: Git
) -> None:
    put(root, "data/a.bin", "lib/data/b.bin", "c.csv", "kept.csv", "top/x", "lib/top/x")
    put(root, "helper.py")
    put(root, "flow.py", text="import helper\n")
    put(root, ".fairleadignore", text="# big\ndata/\n*.csv\n!kept.csv\n/top\nhelper.py\n")
    git("add", "data")
    expected = OWN | {"kept.csv", "lib/top/x", "helper.py", ".fairleadignore"}
    assert names(root) == expected
    (root / ".git").rename(root.parent / "elsewhere")
    assert names(root) == expected


@pytest.mark.parametrize("content", [b"\xff\n", None])
def test_a_users_file_that_cannot_be_read_is_refused(root: Path, content: bytes | None) -> None:
    path = root / ".fairleadignore"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(UsageError, match="fairleadignore"):
        names(root)


def test_what_git_ignores_travels_where_it_is_imported(root: Path, git: Git) -> None:
    put(root, "_version.py", "other.py")
    put(root, ".gitignore", text="_version.py\nother.py\n")
    put(root, "flow.py", text="import _version\n")
    assert names(root) == OWN | {"_version.py", ".gitignore"}


def test_a_home_that_is_a_repository_and_ignores_everything_has_no_say(root: Path, git: Git) -> None:
    put(root, ".gitignore", text="*\n")
    put(root, "inner/pyproject.toml", "inner/flow.py", "inner/x.txt")
    assert names(root / "inner") == OWN | {"x.txt"}


def test_where_git_is_missing_or_refuses_its_ignored_files_travel_and_that_is_said(
    root: Path, git: Git, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put(root, "a.log")
    put(root, ".gitignore", text="*.log\n")
    expected = OWN | {"a.log", ".gitignore"}
    assert names(root) == expected - {"a.log"}
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        assert names(root) == expected
        assert "No such file or directory" in notes(root)
    (root / ".git/HEAD").write_text("nonsense")
    assert names(root) == expected
    assert "not a git repository" in notes(root)


def test_a_hooks_variables_do_not_lead_git_astray(root: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    put(root, "a.log")
    put(root, ".gitignore", text="*.log\n")
    monkeypatch.setenv("GIT_DIR", str(root / "nowhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(root / "nothing"))
    assert names(root) == OWN | {".gitignore"}


def test_odd_names_survive(root: Path, git: Git) -> None:
    odd = {"line\nbreak.txt", "tab\t.txt", " leading", 'quote".txt', "é/ü.txt", "-rf", "a:b/c:d", "*"} - {"a:b/c:d"}
    put(root, *odd)
    git("add", ".")
    assert names(root) == OWN | odd
    (root / ".git").rename(root.parent / "elsewhere")
    assert names(root) == OWN | odd


@pytest.mark.parametrize("name", [b"latin-\xe9.txt", b"back\\slash", b"colon:x"])
def test_names_that_no_package_can_hold_are_refused_by_name(root: Path, git: Git, name: bytes) -> None:
    path = os.path.join(os.fsencode(root), name)
    os.close(os.open(path, os.O_CREAT))
    git("add", ".")
    with pytest.raises(UsageError, match="can't travel") as caught:
        names(root)
    assert ascii(os.fsdecode(name)) in caught.value.why
    os.unlink(path)
    assert names(root) == OWN


def test_what_looks_like_a_secret_travels_only_where_git_tracks_it(root: Path, git: Git) -> None:
    secrets = [
        ".env",
        "deploy/.env.prod",
        "tls/server.pem",
        "id_rsa",
        ".kube/config",
        "KubeConfig",
        "my-credentials.json",
    ]
    put(root, *secrets, ".env.example", "environment.py", "secrets.py")
    kept = OWN | {".env.example", "environment.py", "secrets.py"}
    assert names(root) == kept
    assert all(secret in notes(root) for secret in secrets)
    assert notes(root).count("\n") == 0
    git("add", ".env", "tls")
    assert names(root) == kept | {".env", "tls/server.pem"}
    (root / ".git").rename(root.parent / "elsewhere")
    assert names(root) == kept
    put(root, ".fairleadignore", text="".join(f"{each}\n" for each in secrets))
    assert notes(root) == ""


def test_links_within_the_project_stay_links(root: Path, git: Git) -> None:
    put(root, "lib/real.py", "data/x.csv")
    links = {"a.py": "lib/real.py", "table": "data", "lib/up": "..", "again.py": "a.py", "dotted": "./lib/"}
    for name, target in links.items():
        (root / name).symlink_to(target)
    (root / "absolute.py").symlink_to(root / "lib/real.py")
    (root / "winding.py").symlink_to("table/../lib/real.py")
    tree = project_tree(find_project(root / "flow.py"))
    found = {each.name: each.read().data.decode() for each in tree.entries if each.kind == "link"}
    assert found == links | {"absolute.py": "lib/real.py", "winding.py": "lib/real.py"}
    assert tree.notes == ()


def test_a_link_to_a_file_outside_becomes_the_file(root: Path, tmp_path: Path) -> None:
    put(tmp_path, "shared/common.py", text="x = 1\n")
    (tmp_path / "shared/common.py").chmod(0o755)
    (root / "common.py").symlink_to("../shared/common.py")
    found = {each.name: each for each in project_tree(find_project(root / "flow.py")).entries}
    assert found["common.py"].kind == "executable"
    assert found["common.py"].read().data == b"x = 1\n"


def test_a_link_to_a_folder_outside_is_refused_by_name_unless_it_is_ignored(root: Path, tmp_path: Path) -> None:
    put(tmp_path, "mnt/big/x.bin")
    (root / "data").symlink_to(tmp_path / "mnt/big")
    with pytest.raises(UsageError, match="can't travel") as caught:
        names(root)
    assert f"data -> {tmp_path}/mnt/big" in caught.value.why
    assert ".fairleadignore" in caught.value.next
    put(root, ".fairleadignore", text="/data\n")
    assert names(root) == OWN | {".fairleadignore"}


def test_links_to_nothing_in_circles_to_secrets_and_to_what_stays_are_left_out_with_a_note(
    root: Path, git: Git, tmp_path: Path
) -> None:
    put(root, "runs/1/x", "runs/2/x")
    put(tmp_path, ".kube/config")
    put(root, ".gitignore", text="runs\n")
    links = {
        "broken": "nowhere",
        "a": "b",
        "b": "a",
        "self": "self",
        "config": "../.kube/config",
        "latest": "runs/2",
        "pipe": "/dev/null",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    assert names(root) == OWN | {".gitignore"}
    lines = notes(root).splitlines()
    assert [line.partition(" ")[0] for line in lines] == sorted(links)
    assert lines[4] == "latest is left out: it is a link to runs/2, which does not travel"


def test_what_is_imported_through_a_linked_folder_travels_once(root: Path, git: Git) -> None:
    put(root, "src/pkg/__init__.py", "src/pkg/mod.py", "src/pkg/ignored.py")
    put(root, ".gitignore", text="ignored.py\n")
    (root / "pkg").symlink_to("src/pkg")
    put(root, "flow.py", text="import pkg.mod, pkg.ignored\n")
    assert names(root) - OWN == {"pkg", ".gitignore", "src/pkg/__init__.py", "src/pkg/mod.py", "src/pkg/ignored.py"}


def test_sockets_and_pipes_are_left_out(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(root / "pipe")
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        assert names(root) == OWN


def test_a_file_alone_brings_what_it_imports_and_nothing_else(tmp_path: Path) -> None:
    put(tmp_path, "holiday.jpg", "lib.py", "unused.py", "deep/data.csv", ".fairleadignore")
    put(tmp_path, "flow.py", text="import lib\n")
    assert names(tmp_path) == {"flow.py", "lib.py"}
    assert "flow.py is in no project" in notes(tmp_path)


@pytest.mark.parametrize("marker", [".git", "setup.cfg"])
def test_a_home_folder_is_never_packed_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marker: str) -> None:
    put(tmp_path, marker, "flow.py", "letters.txt")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert names(tmp_path) == {"flow.py"}
    assert "makes a folder of its own a project" in notes(tmp_path)


def test_tracked_files_behind_a_new_link_travel_where_they_are(root: Path, git: Git) -> None:
    put(root, "lib/a.py", "moved/b.py")
    git("add", ".")
    (root / "lib").rename(root / "library")
    (root / "lib").symlink_to("library")
    assert names(root) == OWN | {"lib", "library/a.py", "moved/b.py"}


def test_a_file_that_cannot_be_read_is_named(root: Path) -> None:
    put(root, "x.csv")
    entries = project_tree(find_project(root / "flow.py")).entries
    (root / "x.csv").unlink()
    with pytest.raises(UsageError, match=r"cannot read .*x\.csv"):
        [each.read() for each in entries]
