"""Bundles: what is written is read again, hand-made ones too; damaged, huge and hostile ones are refused or read in part."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from fairlead.errors import UsageError
from fairlead.snapshots import bundles
from fairlead.snapshots.snapshot import LogName, Meta, Snapshot, Unread
from insight import pictures as p


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


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00 broken"])
def test_what_is_no_bundle_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b.tgz").write_bytes(content)
    with pytest.raises(UsageError, match=r"b\.tgz"):
        bundles.read(tmp_path / "b.tgz")


def test_a_bundle_of_a_later_layout_is_read_and_said_to_be(tmp_path: Path) -> None:
    meta = json.dumps({"version": 99, "subject": "pod/p"}).encode()
    found = bundles.read(packed(tmp_path / "b.tgz", {"meta.json": meta, "objects/p.json": listed("Pod", p.pod())}))
    assert found.meta.subject == "pod/p" and "version 99" in found.meta.unread[0].why
