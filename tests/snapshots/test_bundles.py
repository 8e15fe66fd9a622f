"""Bundles: what is written is read again, hand-made ones too; damaged, huge and hostile ones are refused or read in part."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from fairlead.errors import UsageError
from fairlead.snapshots import bundles
from fairlead.snapshots.snapshot import LogName, Meta, Snapshot, Unread
from insight import pictures as p
from memory import PEAK_MIB, needs_proc


def packed(file: Path, members: dict[str, bytes]) -> Path:
    """Make an archive by hand."""
    with tarfile.open(file, "w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file


def listed(kind: str, *items: dict[str, Any]) -> bytes:
    """Return a list as the API gives it: its items do not say what they are."""
    plain = [{key: value for key, value in each.items() if key not in ("kind", "apiVersion")} for each in items]
    return json.dumps({"kind": f"{kind}List", "apiVersion": "v1", "items": plain}).encode()


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    events = [p.event("FailedScheduling", "0/1 nodes are available: 1 Insufficient cpu.")]
    logs = {LogName("p", "main"): "last words\n", LogName("p", "main", previous=True): "earlier\n"}
    meta = Meta(subject="pod/p", taken="2026-11-20T10:00:00+00:00", unread=(Unread(what="nodes", why="no"),))
    bundles.write(Snapshot(meta, [p.pod(), p.job()], events, logs), tmp_path / "b.tgz")
    found = bundles.read(tmp_path / "b.tgz")
    assert (found.meta, found.logs) == (meta, logs)
    assert {str(ref) for ref in found.things} == {"Pod team/p", "Job team/j"}
    assert len(found.events_of(found.things[next(ref for ref in found.things if ref.kind == "Pod")])) == 1


def test_one_that_is_made_by_hand_needs_no_meta_and_its_lists_say_the_kind(tmp_path: Path) -> None:
    file = packed(tmp_path / "b.tgz", {"./objects/whatever.json": listed("Pod", p.pod("a"), p.pod("b"))})
    assert {str(ref) for ref in bundles.read(file).things} == {"Pod team/a", "Pod team/b"}


def test_files_that_lead_elsewhere_are_left_out_and_named(tmp_path: Path) -> None:
    pods = listed("Pod", p.pod())
    file = packed(
        tmp_path / "b.tgz", {"../objects/pods.json": pods, "/objects/pods.json": pods, "objects/p.json": pods}
    )
    found = bundles.read(file)
    assert len(found.things) == 1 and [each.what for each in found.meta.unread] == [
        "../objects/pods.json",
        "/objects/pods.json",
    ]


def test_damaged_parts_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    members = {"objects/a.json": b"{", "objects/b.json": b"[" * 100_000, "objects/c.json": listed("Pod", p.pod())}
    found = bundles.read(packed(tmp_path / "b.tgz", members))
    assert len(found.things) == 1 and [each.what for each in found.meta.unread] == ["objects/a.json", "objects/b.json"]


def test_a_truncated_bundle_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    noise = bytes(range(256)) * 4000
    file = packed(tmp_path / "b.tgz", {"objects/p.json": listed("Pod", p.pod()), "logs/p/main.log": noise})
    file.write_bytes(file.read_bytes()[:-600])
    found = bundles.read(file)
    assert len(found.things) == 1 and found.meta.unread[-1].what == "the rest of the bundle"


def test_what_unpacks_to_more_than_the_limit_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "BYTES_MAX", 1 << 20)
    members = {"objects/p.json": listed("Pod", p.pod())} | {f"logs/p/{n}.log": bytes(1 << 19) for n in range(5)}
    found = bundles.read(packed(tmp_path / "b.tgz", members))
    assert len(found.logs) == 2 and "too large" in found.meta.unread[-1].why
    assert max(map(len, found.logs.values())) == bundles.LOG_BYTES_MAX


def test_a_folder_is_read_as_an_archive_is_and_links_in_it_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "b/objects").mkdir(parents=True)
    (tmp_path / "b/logs/a").mkdir(parents=True)
    (tmp_path / "b/objects/pods.json").write_bytes(listed("Pod", p.pod("a")))
    (tmp_path / "b/logs/a/main.log").write_text("last words\n")
    (tmp_path / "secret.json").write_bytes(listed("Pod", p.pod("other")))
    (tmp_path / "b/objects/more.json").symlink_to(tmp_path / "secret.json")
    found = bundles.read(tmp_path / "b")
    assert {str(ref) for ref in found.things} == {"Pod team/a"} and found.log("a", "main") == "last words\n"
    assert [each.what for each in found.meta.unread] == ["objects/more.json"]


def stretched(file: Path, *members: tuple[str, bytes, int, bytes]) -> Path:
    """Make an archive of members of any size, each of a type, and of one piece that is repeated: small as a file."""
    with file.open("wb") as archive:
        for name, kind, size, piece in members:
            member = tarfile.TarInfo(name)
            member.size, member.type = size, kind
            whole, rest = divmod(size, len(piece))
            archive.write(gzip.compress(member.tobuf(tarfile.GNU_FORMAT)))
            archive.write(gzip.compress(piece) * whole)
            archive.write(gzip.compress(piece[:rest].ljust(rest + -size % tarfile.BLOCKSIZE, b"\0")))
        archive.write(gzip.compress(bytes(2 * tarfile.BLOCKSIZE)))
    return file


GOOD = json.dumps({"items": [{"kind": "Pod", "metadata": {"name": "p"}}]}).encode()
_FIRST = ("objects/first.json", tarfile.REGTYPE, len(GOOD), GOOD)
HOSTILE = {
    "500 MB of a document": ("objects/big.json", tarfile.REGTYPE, 500 << 20, b" " * (1 << 20)),
    "500 MB of a log": ("logs/p/main.log", tarfile.REGTYPE, 500 << 20, b"line\n" * (1 << 18)),
    "a document of empty lists": ("objects/lists.json", tarfile.REGTYPE, 60 << 20, b"[]," * (1 << 18)),
    "a document of small texts": ("objects/texts.json", tarfile.REGTYPE, 60 << 20, b'"a",' * (1 << 18)),
    "a name of 2 GB": ("x", tarfile.GNUTYPE_LONGNAME, 2 << 30, b"a" * (1 << 20)),
    "headers of 2 GB": ("x", tarfile.XHDTYPE, 2 << 30, b"a" * (1 << 20)),
}
MEMORY_MAX_MIB = 800
_READING = f"""{PEAK_MIB}
import sys
from pathlib import Path
from fairlead.snapshots import bundles
found = bundles.read(Path(sys.argv[1]))
print(len(found.things), peak_mib(), *(each.why for each in found.meta.unread))
"""


@needs_proc
@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_made_to_take_memory_is_left_out_and_named_and_takes_little(name: str, tmp_path: Path) -> None:
    file = stretched(tmp_path / "b.tgz", _FIRST, HOSTILE[name])
    assert file.stat().st_size < 20 << 20
    done = subprocess.run([sys.executable, "-c", _READING, str(file)], capture_output=True, text=True, check=True)
    things, memory, *why = done.stdout.split()
    assert things == "1" and int(memory) < MEMORY_MAX_MIB
    assert why or "log" in name


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00 broken"])
def test_what_is_no_bundle_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b.tgz").write_bytes(content)
    with pytest.raises(UsageError, match=r"b\.tgz"):
        bundles.read(tmp_path / "b.tgz")


def test_a_bundle_of_a_later_layout_is_read_and_said_to_be(tmp_path: Path) -> None:
    meta = json.dumps({"version": 99, "subject": "pod/p"}).encode()
    found = bundles.read(packed(tmp_path / "b.tgz", {"meta.json": meta, "objects/p.json": listed("Pod", p.pod())}))
    assert found.meta.subject == "pod/p" and "version 99" in found.meta.unread[0].why
