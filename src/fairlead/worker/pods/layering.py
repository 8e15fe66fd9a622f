"""The pod that installs the packages of a lock, once: ``python -m fairlead.worker.pods.layering --run … --step …``.

It runs in the image of the steps that need them, since the kind of Python and the platform are those of the image.
Pip comes with the worker, as a wheel; where the packages come from is said by pip's own variables, which the context
gives it from a Secret. The steps' pods only fetch what it has put into the store.

Exit codes: 0 where the layer is there, 1 where another attempt may help, `SPENT` where none will; or another one in
its place, ``--spent``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from importlib.metadata import distributions
from pathlib import Path

from fairlead.errors import FairleadError, NotFoundError, SpecError, UsageError
from fairlead.naming import digest_file
from fairlead.packaging.archives import write_archive
from fairlead.specs.requirements import Requirements, read_requirements
from fairlead.specs.status import SPENT
from fairlead.specs.steps import Environment
from fairlead.specs.values import Ref
from fairlead.store.backends import Backend
from fairlead.store.layers import Layer, enter_layer, held_layer, layer_key, note_platform, platform
from fairlead.store.layout import call_key, layer_fault_key, object_key, spec_key
from fairlead.store.records import Called, RunSpec, decode, encode
from fairlead.worker.pods.children import START
from fairlead.worker.pods.place import open_store

BYTES_MAX = 1 << 30
"""What a layer holds at most, unpacked: every pod of a step fetches it before the step begins."""
_NAMED = 5
_TAIL = 12


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the layer that the arguments ask for, unless it is there; returns the exit code."""
    parser = argparse.ArgumentParser(prog="fairlead-layer")
    for name in ("store", "run", "image"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--revision", type=int, default=0)
    parser.add_argument("--step", default="", help="the key of a definition that needs it")
    parser.add_argument("--call", default="", help="or a driver's call")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--spent", type=int, default=SPENT, help="the exit code where no other attempt will help")
    given, _ = parser.parse_known_args(arguments)  # what other pods are told is of no use here
    try:
        backend = open_store(given.store)
        return _make(backend, given)
    except FairleadError as error:  # the edge of the process
        print(f"fairlead: {error}", file=sys.stderr)
        return 1


def _make(backend: Backend, given: argparse.Namespace) -> int:
    here = platform()
    note_platform(backend, given.image, here)
    environment = _environment(backend, given)
    lock = environment.locked
    assert lock is not None
    if held_layer(backend, lock, here) is not None:
        print(f"the packages are there, for {here}")
        return 0
    try:
        requirements = _requirements(backend, environment)
        folder = given.work / "packages"
        install(requirements, folder, given.work)
        check_size(folder)
    except (UsageError, SpecError) as error:  # tried again it would be no better
        print(f"fairlead: {error}", file=sys.stderr)
        backend.put(layer_fault_key(given.run, layer_key(lock, here)), encode(str(error)))
        spent: int = given.spent
        return spent
    archive = _stored(backend, folder, given.work / "layer")
    enter_layer(backend, Layer(lock=lock, platform=here, archive=archive, created=time.time()))
    print(f"the packages are in the store, {archive.size_bytes >> 20} MiB for {here}")
    return 0


def _environment(backend: Backend, given: argparse.Namespace) -> Environment:
    if given.call:
        name, _, index = given.call.rpartition(".")
        key = call_key(given.run, name, int(index))
        return decode(backend.get(key), Called, key=key).definition.environment
    key = spec_key(given.run, given.revision)
    return decode(backend.get(key), RunSpec, key=key).graph.steps[given.step].environment


def _requirements(backend: Backend, environment: Environment) -> Requirements:
    if environment.lock is None:
        return read_requirements(environment.packages)
    try:
        text = backend.get(object_key(environment.lock.digest))
    except NotFoundError as error:
        raise UsageError(
            f"the lock {environment.lock.name} is not in the store",
            why="a spec names its lock by digest, and the text is stored when the flow's own file is run",
            next="run the flow's file instead of its spec",
        ) from error
    return read_requirements(text.decode().splitlines())


def install(requirements: Requirements, folder: Path, work: Path) -> None:
    """Install packages into a folder.

    Raises:
        UsageError: Pip could not; says its last words.
    """
    if requirements.faults:
        raise UsageError("the packages can't be installed", why="; ".join(why for _, why in requirements.faults))
    lock, temporary = work / "requirements.txt", work / "temporary"
    lock.write_bytes(requirements.text)
    temporary.mkdir(exist_ok=True)
    options = ["--require-hashes"] if requirements.hashed else []
    options += [] if requirements.builds else ["--only-binary=:all:"]
    command = [
        sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", "install", "--target", str(folder),
        "--no-cache-dir", "--no-compile", "--progress-bar=off", *options, "--requirement", str(lock),
    ]  # fmt: skip
    last: deque[str] = deque(maxlen=_TAIL)
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", env={**os.environ, **_pip(), "TMPDIR": str(temporary)},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            last.append(line.strip())
    if process.returncode:
        errors = [line for line in last if line.startswith("ERROR")] or list(last)[-3:]
        raise UsageError(
            "pip could not install the packages of the lock",
            where=f"Python {sys.version.split()[0]}, {platform()}",
            why="; ".join(errors),
            next="mend the lock, or where its packages come from: fairlead context add … --pip-secret SECRET",
        )
    folder.mkdir(exist_ok=True)  # where every marker says that nothing is to be installed


def _pip() -> dict[str, str]:
    """Return the variables by which Python finds pip: the wheel that was delivered with the worker, if it was."""
    script = os.environ.get(START)
    return {"PYTHONPATH": str(Path(script).parent / "pip.whl")} if script else {}


def check_size(folder: Path) -> None:
    """Refuse packages that are too large for a layer.

    Raises:
        UsageError: They are; the biggest ones are named.
    """
    size = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
    if size <= BYTES_MAX:
        return
    sizes: dict[str, int] = {}
    for each in distributions(path=[str(folder)]):
        files = (folder / str(file) for file in each.files or ())
        sizes[each.metadata["Name"]] = sum(file.stat().st_size for file in files if file.is_file())
    biggest = sorted(sizes, key=lambda name: -sizes[name])[:_NAMED]
    named = ", ".join(f"{name} {sizes[name] / 2**20:.0f} MiB" for name in biggest)
    raise UsageError(
        "the packages are too large for a layer",
        why=f"they take {size / 2**20:.0f} MiB, at most {BYTES_MAX >> 20} are fetched by each pod: {named}",
        next="make an image of the lock: fairlead image build FILE --on CONTEXT, and name it with image=",
    )


def _stored(backend: Backend, folder: Path, archive: Path) -> Ref:
    """Put a folder into the store as one object, even if it is there: so it is as young as the entry that names it."""
    with archive.open("wb") as file:
        write_archive(folder, file)
    with archive.open("rb") as file:
        digest = digest_file(file)
    size = archive.stat().st_size
    backend.put_file(object_key(digest), archive)
    return Ref(digest=digest, format="packages", size_bytes=size)


if __name__ == "__main__":
    sys.exit(main())
