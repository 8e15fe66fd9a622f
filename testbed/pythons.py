"""The images of other Pythons than the stock image's, for the tests of them: a small Debian with one Python each."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from . import building, images, versions

_EMBEDDED = "python/internal/data/linux-amd64"  # what of the module is of this platform


def newest() -> str:
    """Build the image of the newest Debian and its Python, import it into the running testbed, and return its name."""
    link = lambda root, settings: (root / "usr/bin/python3").symlink_to(settings["packages"][0])  # noqa: E731
    return images.beside("newest-python", "python", link)


def oldest() -> str:
    """Build the image of the oldest Python that workers know, import it, and return its name."""
    key = versions.component("oldest-python").key.encode()
    return images.beside("oldest-python", "python", lambda root, _: _add(root), key)


def _add(root: Path) -> None:
    """Add the Python that a Go module embeds, whose list of files has Go's modes and says what is compressed."""
    source, target = building.sources("oldest-python") / _EMBEDDED, root / "usr/local"
    for each in json.loads((source / "files.json").read_text("utf-8"))["files"]:
        path = target / each["name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        if "symlink" in each:
            path.symlink_to(each["symlink"])
        elif (source / each["name"]).is_dir():
            path.mkdir(exist_ok=True)
        else:
            packed = each.get("compressed", False)
            content = (source / (each["name"] + ".gz" * packed)).read_bytes()
            path.write_bytes(gzip.decompress(content) if packed else content)
            path.chmod(each["perm"] & 0o755)
