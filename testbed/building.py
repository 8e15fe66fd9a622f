"""Building the components' programs with Go, once per version and machine.

A program lies in ``~/.cache/fairlead/tools/NAME/KEY/`` (``FAIRLEAD_TOOLS`` names another folder than the first
three), beside the log of its build and ``built.json``. The folder appears when all of it is there.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from . import versions
from .faults import BuildFailed, TestbedError
from .versions import Component, Mends

_UNUSED_SOURCES = ("docs", "examples", "sdks", "test", "ui", "hack")  # large, and needed by no program


def tools() -> Path:
    """Return the folder of everything that is built."""
    return Path(os.environ.get("FAIRLEAD_TOOLS") or Path.home() / ".cache/fairlead/tools")


def folder(component: Component) -> Path:
    """Return the folder of a component's programs, which may not be there yet."""
    return tools() / component.name / component.key


def is_built(component: Component) -> bool:
    """Say whether the programs are there."""
    return folder(component).exists()


def program(name: str, of: str) -> Path:
    """Return the path of a program of the component ``of``, after building it where that is still to be done.

    Raises:
        BuildFailed: It could not be built; the message ends with the build's own words.
    """
    return build(of) / name


def build(name: str) -> Path:
    """Build a component's programs where they are not there yet, and return their folder.

    Any number of processes may ask at once: one builds, the others wait for it.

    Raises:
        BuildFailed: It could not be built.
        TestbedError: There is no component of this name.
    """
    if name not in versions.names():
        raise TestbedError(f"there is no component {name!r}: {', '.join(versions.names())}")
    component = versions.component(name)
    target = folder(component)
    if not is_built(component):
        with locked(target.with_name(f"{component.key}.lock")):
            if not is_built(component):
                _build(component, target)
    return target


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(component: Component, target: Path) -> None:
    unfinished = target.with_name(f"{component.key}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    log = unfinished / "build.log"
    print(f"building {component.name} {component.version}; log: {log}", file=sys.stderr, flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fairlead-build-") as scratch:
        module = _mended(component, component.mends, Path(scratch), log) if component.mends else component.tool
        flags = " ".join(["-s -w", *(f"-X {stamp}" for stamp in component.stamps)])
        command = ["build", "-mod=readonly", "-trimpath", "-ldflags", flags]
        for name, package in component.programs.items():
            _go([*command, "-o", str(unfinished / name), package], module, log)
    if component.crds:
        (unfinished / "crds").mkdir()
        for file in _sources(component, log).glob(component.crds):
            shutil.copyfile(file, unfinished / "crds" / file.name)
    seconds = round(time.monotonic() - began)
    (unfinished / "built.json").write_text(json.dumps({"seconds": seconds}))
    unfinished.rename(target)
    print(f"built {component.name} in {seconds} s", flush=True)


def _go(arguments: list[str], where: Path, log: Path) -> str:
    go = shutil.which("go")
    if go is None:
        raise BuildFailed(f"there is no go: install Go {versions.document()['go']['minimum']} or newer")
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}
    with open(log, "a") as errors:
        done = subprocess.run(
            [go, *arguments], cwd=where, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True, check=False
        )
    if done.returncode:
        raise BuildFailed(f"go {arguments[0]} gave {done.returncode}; {log} ends with\n{log.read_text()[-1500:]}")
    return done.stdout


def sources(name: str) -> Path:
    """Return the folder of a component's module in Go's cache of modules, fetching it where it is not there.

    Raises:
        BuildFailed: It could not be fetched, or is not what was pinned.
    """
    component = versions.component(name)
    log = tools() / component.name / "sources.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    return _sources(component, log)


def _sources(component: Component, log: Path) -> Path:
    _go(["mod", "download", component.module], component.tool, log)
    return Path(_go(["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", component.module], component.tool, log).strip())


def _mended(component: Component, mends: Mends, scratch: Path, log: Path) -> Path:
    """Return a copy of the tool's module that takes the component's module from a mended copy of its sources.

    Go refuses an overlay of files in the module cache. What is copied was verified when it came into that cache.
    """
    cached = str(_sources(component, log))
    sources = scratch / "sources"
    shutil.copytree(
        cached, sources, ignore=lambda at, _: _UNUSED_SOURCES if at == cached else (), copy_function=shutil.copyfile
    )
    for folder_ in (sources, *(each for each in sources.rglob("*") if each.is_dir())):
        folder_.chmod(0o755)  # the module cache is read-only, and copytree copies the modes of folders
    for new, old in mends.copies.items():
        shutil.copyfile(sources / old, sources / new)
    for path, (old, new) in mends.replacements.items():
        text = (sources / path).read_text("utf-8")
        if old not in text:
            raise BuildFailed(f"{component.name} {component.version}: {path} does not hold {old}: see versions.toml")
        (sources / path).write_text(text.replace(old, new), "utf-8")
    module = scratch / "tool"
    shutil.copytree(component.tool, module)
    _go(["mod", "edit", f"-replace={component.module}={sources}"], module, log)
    return module
