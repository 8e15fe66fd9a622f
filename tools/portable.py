"""Check that no file of the repository is bound to one machine or one network.

Two things must not stand in a file: the host of a package registry (which mirror is used is a matter of whoever
installs), and an absolute path of somebody's machine. The patterns below are written so that they do not match
themselves.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

_REGISTRIES = (
    ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("yarnpkg", "com"),
    ("golang", "org/proxy"), ("proxy", "golang", "org"), ("sum", "golang", "org"), ("crates", "io"),
    ("anaconda", "org"), ("conda", "io"),
)  # fmt: skip
_HOST = re.compile(r"(?<![\w-])(?:[\w-]+\.)*(?:" + "|".join(re.escape(".".join(each)) for each in _REGISTRIES) + r")\b")
_INDEX = re.compile(r"https?://[^\s\"'<>)]*/(?:simple|artifactory|nexus)\b")
_PATH = re.compile(r"(?<![\w.~/-])/(?:root|work|home/(?!USER\b)\w+|Users/(?!USER\b)\w+)/[\w.]")

RULES = {
    "names the host of a package registry": _HOST,
    "names the index of a package registry": _INDEX,
    "names an absolute path of a machine (write /home/USER in an example)": _PATH,
}


def faults(path: str, text: str) -> list[str]:
    """Return the faults of one file, with their lines."""
    return [
        f"{path}:{number} {what}: {match.group()}"
        for number, line in enumerate(text.splitlines(), 1)
        for what, pattern in RULES.items()
        if (match := pattern.search(line))
    ]


def repository_files() -> list[str]:
    """List the files of the repository, those not yet committed included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return sorted(path for path in set(listed) if Path(path).is_file())


def main() -> int:
    """Print every fault; 1 where there is one."""
    found = []
    for path in repository_files():
        try:
            found += faults(path, Path(path).read_text("utf-8"))
        except UnicodeDecodeError:  # an image, or an old store that a test keeps
            continue
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
