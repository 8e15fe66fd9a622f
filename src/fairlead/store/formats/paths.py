"""Files and folders of the user: a `pathlib.Path` that a step returns is stored with what it points to.

A file is one object, its bytes as they are; the reference keeps its name. A folder is a JSON manifest of
relative path, mode and digest, and each of its files is an object of its own, so that folders share what is
the same in them. Of modes only "executable" is kept; times and owners are not.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from fairlead.errors import DamagedError, FairleadError
from fairlead.specs.values import Ref
from fairlead.store.objects import Objects

TYPE = "pathlib.Path"

_CHUNK = 4 << 20


def save_path(objects: Objects, path: Path) -> Ref:
    """Store the file or folder that a path points to.

    Raises:
        FairleadError: There is none, or the folder holds what can't be stored.
    """
    real = Path(os.path.realpath(path))
    if real.is_file():
        return _save_file(objects, real, path.name or real.name)
    if not real.is_dir():
        raise FairleadError(
            f"cannot store the file {str(path)!r}",
            why="there is no such file or folder" if not real.exists() else "it is neither a file nor a folder",
            next="write the file before the step returns; return a str where only the name is meant",
        )
    digest, size = objects.put(_manifest(objects, real))
    return Ref(digest=digest, format="folder", size_bytes=size, type=TYPE, name=path.name or real.name or None)


def load_path(objects: Objects, ref: Ref) -> Path:
    """Give a read-only copy under the host's folder, with the right name: hard links where possible."""
    name = _checked(ref.name or "folder", ref)
    if ref.format == "file":
        target = objects.host / "files" / ref.digest / name
        _bring(objects, ref, target, executable=False)
        return target
    manifest = _read_manifest(objects, ref)
    # What a user's code has put into an earlier copy must not become part of the value.
    for number in count():
        target = objects.host / "folders" / ref.digest / str(number) / name
        if not _has_more(target, manifest):
            break
    for folder in ["", *manifest["folders"]]:
        (target / folder).mkdir(parents=True, exist_ok=True)
    for part, entry in _parts(manifest):
        _bring(objects, part, target / entry["path"], executable=entry["mode"] == "755")
    return target


def parts_of(objects: Objects, ref: Ref) -> list[Ref]:
    """List the objects that a stored folder consists of besides its manifest."""
    return [part for part, _ in _parts(_read_manifest(objects, ref))]


def _save_file(objects: Objects, path: Path, name: str) -> Ref:
    def write(file: BinaryIO) -> None:
        with path.open("rb") as source:
            while data := source.read(_CHUNK):
                file.write(data)

    digest, size = objects.stream(write)
    return Ref(digest=digest, format="file", size_bytes=size, type=TYPE, name=name)


def _manifest(objects: Objects, root: Path) -> bytes:
    files, folders = [], []
    for path, real in sorted(_walk(root, root, "", (root,))):
        if real.is_dir():
            folders.append(path)
            continue
        ref = _save_file(objects, real, real.name)
        mode = "755" if real.stat().st_mode & stat.S_IXUSR else "644"
        files.append({"path": path, "mode": mode, "digest": ref.digest, "size": ref.size_bytes})
    try:
        return json.dumps({"folders": folders, "files": files}, ensure_ascii=False, indent=1).encode()
    except UnicodeEncodeError as error:
        raise _refusal(root, "the name of a file in it is not UTF-8") from error


def _walk(root: Path, folder: Path, prefix: str, above: tuple[Path, ...]) -> Iterator[tuple[str, Path]]:
    """Give each file and folder by its path as seen, with the real one behind it."""
    for entry in sorted(folder.iterdir()):
        path = prefix + entry.name
        real = Path(os.path.realpath(entry))
        if not real.is_relative_to(root):
            raise _refusal(root, f"the link {path} leads out of it, to {real}")
        if real.is_file():
            yield path, real
        elif not real.is_dir():
            raise _refusal(root, f"{path} is a link to nothing, or neither a file nor a folder")
        elif real in above:
            raise _refusal(root, f"the link {path} leads to a folder that it lies in")
        else:
            yield path, real
            yield from _walk(root, real, path + "/", (*above, real))


def _refusal(root: Path, why: str) -> FairleadError:
    return FairleadError(
        f"cannot store the folder {str(root)!r}",
        why=why,
        next="return a copy with the links followed (cp -rL), or without that file",
    )


def _read_manifest(objects: Objects, ref: Ref) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(objects.read(ref))
    for path in [*manifest["folders"], *(entry["path"] for entry in manifest["files"])]:
        for name in PurePosixPath(path).parts:
            _checked(name, ref)
    return manifest


def _parts(manifest: dict[str, Any]) -> Iterator[tuple[Ref, dict[str, str]]]:
    for entry in manifest["files"]:
        name = PurePosixPath(entry["path"]).name
        yield Ref(digest=entry["digest"], format="file", size_bytes=entry["size"], type=TYPE, name=name), entry


def _checked(name: str, ref: Ref) -> str:
    """Refuse a name that would lead out of the folder it belongs into."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise DamagedError(f"refused the file name {name!r}", where=f"object {ref.digest}", why="it is not a name")
    return name


def _has_more(target: Path, manifest: dict[str, Any]) -> bool:
    known = {*manifest["folders"], *(entry["path"] for entry in manifest["files"])}
    return any(path.relative_to(target).as_posix() not in known for path in target.rglob("*"))


def _bring(objects: Objects, ref: Ref, target: Path, *, executable: bool) -> None:
    """Put a file in place: a hard link of the object, or a copy where that can't be."""
    source = objects.local(ref)
    if executable:  # a link would share the object's mode
        _copy(source, target, 0o555)
    elif not _link(source, target) and not _link(source := objects.hosted(ref), target):
        _copy(source, target, 0o444)


def _link(source: Path, target: Path) -> bool:
    """Link, atomically and repeatably; False across file systems, between owners, and after too many links."""
    if target.exists() and target.samefile(source):
        return True
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(target)
    try:
        os.link(source, temporary)
    except OSError:
        return False
    os.replace(temporary, target)
    temporary.unlink(missing_ok=True)  # still there where another process has linked the same just now
    return True


def _copy(source: Path, target: Path, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(target)
    shutil.copyfile(source, temporary)
    temporary.chmod(mode)
    os.replace(temporary, target)


def _beside(target: Path) -> Path:
    # Outside the folder that is being laid out: a crash must not leave a file more in it.
    return target.parent / f".tmp.{os.getpid()}.{os.urandom(4).hex()}"
