"""The images of the testbed, built on this machine: there is no registry.

An image is built once per tag and kept as an archive beside the programs (``building.tools()``); a running testbed
imports it. A tag holds a digest of what the image is made from, so that a tag that is there is the right one.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import machine, versions
from .building import build, locked, tools
from .commands import run
from .components.node import PAUSE
from .faults import BuildFailed
from .state import State, current

FILES = versions.HERE / "containerfiles"
USER = 65532
KEPT_ARCHIVES = 3  # of one name; the older ones are removed
_BUILDAH = ("buildah", "--storage-driver", "vfs")
_HOST_CONFIGURATION = ("/etc/ssl/certs", "/etc/pip.conf")  # the machine's authorities and package index


def python_tag() -> str:
    """Return the name of the stock image: Debian with Python, and nothing else."""
    return _debian_tag("python", versions.document()["images"])


def _debian_tag(name: str, settings: dict[str, Any], *parts: bytes) -> str:
    key = versions.digest(
        [repr(settings).encode(), (FILES / "python/Containerfile").read_bytes(), _USERS.encode(), *parts]
    )
    return f"localhost/fairlead-{name}:{settings['debian']}-{key}"


def argoexec_tag() -> str:
    """Return the name of Argo's executor's image."""
    return f"localhost/argoexec:{versions.component('argo').version}"


def load(containerfile: Path, context: Path, tag: str) -> None:
    """Build an image where its tag is not there yet, and import it into the running testbed.

    The machine's certificates and pip's configuration are there while it is built, and not in the image. Build
    argument ``BASE`` is the stock image: ``ARG BASE`` and ``FROM ${BASE}``.

    Args:
        containerfile: What to do.
        context: The folder that its COPY and ADD refer to.
        tag: ``localhost/NAME:KEY``; the key must change with the image's content.

    Raises:
        BuildFailed: It could not be built, or imported.
    """
    make(tag, lambda: _from_containerfile(containerfile, context, tag, base=python_tag()))
    import_into(current(), tag)


def make(tag: str, build_image: Callable[[], None]) -> None:
    """Build an image's archive where it is not there yet."""
    if archive(tag).exists():
        return
    with locked(archive(tag).with_suffix(".lock")):
        if not archive(tag).exists():
            print(f"building image {tag}", file=sys.stderr, flush=True)
            build_image()
            _forget_older(archive(tag))


def pause() -> str:
    """Build the image that every pod begins with, and return its name."""
    with_binary = lambda context: _run("gcc", "-static", "-Os", "-o", context / "pause", FILES / "pause/pause.c")  # noqa: E731
    return _stock("pause", PAUSE, with_binary)


def argoexec() -> str:
    """Build the image of Argo's executor, and return its name."""
    return _stock("argoexec", argoexec_tag(), lambda context: shutil.copy(build("argo") / "argoexec", context))


def tekton_entrypoint() -> str:
    """Build the image of the program by which Tekton runs the steps of a pod, and return its name."""
    tag = f"localhost/tekton-entrypoint:{versions.component('tekton').version}"
    fill = lambda context: shutil.copy(build("tekton") / "tekton-entrypoint", context / "entrypoint")  # noqa: E731
    return _stock("tekton-entrypoint", tag, fill)


def python() -> str:
    """Build the stock image, and return its name."""
    return _stock("python", python_tag(), lambda context: _debian(context, versions.document()["images"]))


def beside(name: str, files: str, add: Callable[[Path, dict[str, Any]], object], *parts: bytes) -> str:
    """Build an image of a Debian and what is added to it, import it into the running testbed, and return its name.

    Args:
        name: Its section of ``versions.toml`` below ``beside``.
        files: The folder of its Containerfile.
        add: Given the root of the file system, and that section.
        parts: What is added is made from these: the image is built anew where one of them changes.
    """
    settings = dict(versions.document()["beside"][name])
    tag = _debian_tag(name, settings, *parts)
    _stock(files, tag, lambda context: _debian(context, settings, lambda root: add(root, settings)))
    import_into(current(), tag)
    return tag


def _stock(name: str, tag: str, fill: Callable[[Path], object]) -> str:
    def build_image() -> None:
        with tempfile.TemporaryDirectory(dir=_folder(), prefix=f"{name}-") as context:
            fill(Path(context))
            _from_containerfile(FILES / name / "Containerfile", Path(context), tag)

    make(tag, build_image)
    return tag


_USERS = f"nonroot:x:{USER}:{USER}:nonroot:/home/nonroot:/usr/sbin/nologin\n"
_LEFT_OUT = (
    "./dev/*",
    "./var/cache/apt/*",
    "./var/lib/apt/lists/*",
    "./var/log/*",
    "./usr/share/doc/*",
    "./usr/share/man/*",
)


def _debian(context: Path, settings: dict[str, Any], add: Callable[[Path], object] = lambda root: None) -> None:
    """Put the root file system of a minimal Debian, and what is added to it, into a folder as ``root.tar``."""
    root = context / "root"
    include = ",".join(settings["packages"])
    mirror = machine.mirror(versions.document()["images"]["debian"])  # of a release that apt knows; it has them all
    script = "/usr/share/debootstrap/scripts/sid"  # that of every release; Debian 12 knows no later one by its name
    _run("debootstrap", "--variant=minbase", f"--include={include}", settings["debian"], root, mirror, script)
    add(root)
    with open(root / "etc/passwd", "a") as users, open(root / "etc/group", "a") as groups:
        users.write(_USERS)
        groups.write(f"nonroot:x:{USER}:\n")
    (root / "home/nonroot").mkdir()
    shutil.chown(root / "home/nonroot", USER, USER)
    excluded = [f"--exclude={pattern}" for pattern in _LEFT_OUT]
    _run("tar", "--numeric-owner", *excluded, "-C", root, "-cf", context / "root.tar", ".")
    shutil.rmtree(root)


def _from_containerfile(containerfile: Path, context: Path, tag: str, base: str | None = None) -> None:
    options: list[str] = []
    if base:
        python()
        if base not in _buildah("images", "--format", "{{.Name}}:{{.Tag}}").split():
            _buildah("pull", f"oci-archive:{archive(base)}")
        options = ["--build-arg", f"BASE={base}", "--pull-never"]
        options += [f"--volume={path}:{path}:ro" for path in _HOST_CONFIGURATION if Path(path).exists()]
    file, unfinished = ["--file", str(containerfile)], archive(tag).with_suffix(".part")
    _buildah("build", "--isolation", "chroot", "--network", "host", *options, *file, "--tag", tag, str(context))
    unfinished.unlink(missing_ok=True)
    _buildah("push", "--disable-compression", tag, f"oci-archive:{unfinished}:{tag}")
    if tag != python_tag():  # a layer is a whole copy of the file system here: only the base is worth keeping
        _buildah("rmi", tag)
    unfinished.rename(archive(tag))


def _buildah(*arguments: str) -> str:
    return _run(*_BUILDAH, "--root", _folder() / "storage", "--runroot", _folder() / "storage-run", *arguments)


def _run(*command: str | Path) -> str:
    return run(*command, failure=BuildFailed)


def archive(tag: str) -> Path:
    """Return where the archive of an image lies, or will."""
    return _folder() / (tag.removeprefix("localhost/").replace(":", "@") + ".tar")


def _folder() -> Path:
    folder = tools() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _forget_older(newest: Path) -> None:
    name = newest.name.partition("@")[0]
    older = sorted(newest.parent.glob(f"{name}@*.tar"), key=lambda path: path.stat().st_mtime)[:-KEPT_ARCHIVES]
    for each in older:
        each.unlink()


def import_into(state: State, tag: str) -> None:
    """Import an image into the running testbed, where it is not there yet.

    Raises:
        BuildFailed: containerd does not run, or refused.
    """
    with locked(archive(tag).with_suffix(".lock")):  # containerd refuses the second of two at once
        if tag not in control(state, "list", "--quiet").split():
            control(state, "import", archive(tag))


def control(state: State, *arguments: str | Path) -> str:
    """Have containerd's own client do something with the images of the running testbed, and return what it printed.

    Raises:
        BuildFailed: containerd does not run, or refused.
    """
    client = (build("containerd") / "ctr", "--address", state.containerd_socket, "--namespace", "k8s.io", "images")
    return _run(*client, *arguments)
