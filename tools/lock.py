"""Write ``requirements/*.txt``: the exact versions that installs use as constraints.

    python tools/lock.py PYTHON [PYTHON …]        one interpreter for each supported version of Python

pip resolves the project's extras under each interpreter, and the results are merged: a package that only some
versions need, or need in another version, gets a marker. The demo is resolved under the versions of `dev`, so that
one environment can hold both. No address and no hash is written: constraints can have neither where the project
itself is installed from its folder.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

LOCKS = ("dev", "demo")
FOLDER = Path("requirements")
_HEADER = "# Exact versions for the extra `{extra}`, used as constraints; `make lock` renews them.\n"


def resolve(python: str, extra: str, constraints: Path | None) -> dict[str, str]:
    """Ask pip which versions it would install."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        command = [python, "-m", "pip", "install", f".[{extra}]", "--report", report.name]
        command += ["--dry-run", "--ignore-installed", "--quiet", "--disable-pip-version-check"]
        command += ["--constraint", str(constraints)] if constraints else []
        subprocess.run(command, check=True)
        installs = json.loads(Path(report.name).read_text("utf-8"))["install"]
    metadata = [each["metadata"] for each in installs if not each.get("is_direct")]
    return {_normal(each["name"]): each["version"] for each in metadata}


def merge(resolved: dict[str, dict[str, str]]) -> list[str]:
    """Join what each version of Python needs to the lines of one file.

    Args:
        resolved: By version of Python (``"3.11"``) the version of each package.
    """
    needed: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for python, versions in resolved.items():
        for name, version in versions.items():
            needed[name][version].append(python)
    return [
        f"{name}=={version}{_marker(pythons, tuple(resolved))}"
        for name in sorted(needed)
        for version, pythons in needed[name].items()
    ]


def _marker(pythons: Sequence[str], all_pythons: Sequence[str]) -> str:
    if len(pythons) == len(all_pythons):
        return ""
    return " ; " + " or ".join(f'python_version == "{each}"' for each in pythons)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _version_of(python: str) -> str:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def main(pythons: list[str]) -> int:
    """Resolve and write both files."""
    if not pythons:
        print(__doc__, file=sys.stderr)
        return 2
    versions = {_version_of(each): each for each in pythons}
    constraints = None
    for extra in LOCKS:
        resolved = {version: resolve(python, extra, constraints) for version, python in versions.items()}
        file = FOLDER / f"{extra}.txt"
        file.write_text(_HEADER.format(extra=extra) + "\n".join(merge(resolved)) + "\n", "utf-8")
        constraints = constraints or file
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
