"""One virtual environment per peer, made from its pinned requirements and kept outside the clone.

`python environments.py [PEER ...]` makes them all (or those named) and prints where each is. An environment is
reused as long as its requirement file and the Python version are the same.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "requirements"
STAMP = "requirements.sha256"


def cache_folder() -> Path:
    """Where environments are kept: `FAIRLEAD_BENCH_CACHE`, or a folder of the user's cache."""
    return Path(os.environ.get("FAIRLEAD_BENCH_CACHE") or Path.home() / ".cache" / "fairlead-benchmarks")


def known_peers() -> list[str]:
    """Names of all peers with a requirement file, sorted."""
    return sorted(path.stem for path in REQUIREMENTS.glob("*.txt"))


def interpreter(peer: str) -> Path:
    """The Python of a peer's environment, which is made or made anew where need be."""
    requirements = REQUIREMENTS / f"{peer}.txt"
    folder = cache_folder() / peer
    stamp, digest = folder / STAMP, _digest(requirements)
    python = folder / "bin" / "python"
    if stamp.is_file() and stamp.read_text() == digest and python.exists():
        return python
    print(f"making the environment of {peer} in {folder}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    install = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--requirement", str(requirements)]
    subprocess.run([str(python), *install], check=True, stdout=sys.stderr, env=_clean_environment())
    stamp.write_text(digest)  # last: an interrupted installation is started anew
    return python


def version(python: Path, distribution: str) -> str:
    """The installed version of a package in some environment."""
    code = f"import importlib.metadata as m; print(m.version({distribution!r}))"
    answer = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True, env=_clean_environment())
    return answer.stdout.strip()


def _digest(requirements: Path) -> str:
    return hashlib.sha256(sys.version.encode() + requirements.read_bytes()).hexdigest()


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


def main(arguments: list[str]) -> int:
    """Make the environments named, or all."""
    unknown = set(arguments) - set(known_peers())
    if unknown:
        print(f"unknown peers: {', '.join(sorted(unknown))}; known: {', '.join(known_peers())}", file=sys.stderr)
        return 2
    for peer in arguments or known_peers():
        print(peer, interpreter(peer))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
