"""BuildKit's image, as its own without root: what `fairlead image build` runs in the testbed's cluster."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import building, images, versions

_FILES = images.FILES / "buildkit"
_USER = 1000
_SCRIPT = "examples/buildctl-daemonless/buildctl-daemonless.sh"  # of BuildKit's module


def image() -> str:
    """Build it, import it into the running testbed, and return its name. It finds the testbed's registry."""
    components = [versions.component(name).key.encode() for name in ("buildkit", "rootlesskit")]
    files = [path.read_bytes() for path in sorted(_FILES.iterdir())]
    return images.beside("buildkit", "buildkit", lambda root, _: _add(root), *components, *files)


def _add(root: Path) -> None:
    programs = [building.program(name, of="buildkit") for name in ("buildkitd", "buildctl")]
    for path in (*programs, building.program("rootlesskit", of="rootlesskit")):
        shutil.copy(path, root / "usr/local/bin")
    script = root / "usr/local/bin/buildctl-daemonless.sh"
    shutil.copyfile(building.sources("buildkit") / _SCRIPT, script)
    script.chmod(0o755)
    home, run = root / "home/user", root / f"run/user/{_USER}"
    for name, line in {
        "passwd": f"user:x:{_USER}:{_USER}::/home/user:/bin/sh",
        "group": f"user:x:{_USER}:",
        "subuid": "user:100000:65536",
        "subgid": "user:100000:65536",
    }.items():
        with open(root / "etc" / name, "a") as file:
            file.write(f"{line}\n")
    (home / ".config/buildkit").mkdir(parents=True)
    shutil.copyfile(_FILES / "buildkitd.toml", home / ".config/buildkit/buildkitd.toml")
    run.mkdir(parents=True)
    for path in (home, *home.rglob("*"), run):
        shutil.chown(path, _USER, _USER)
