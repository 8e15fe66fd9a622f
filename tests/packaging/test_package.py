"""Archives of a code package."""

from __future__ import annotations

import io
import warnings
import zipfile

import pytest

from fairlead.errors import DamagedError
from fairlead.packaging.package import UNPACKED_BYTES_MAX, Member, link_destination, pack, read_members, unpack

CONTENTS = {"lib/__init__.py": b"", "flow.py": b"x = 1\n", "lib/é.py": "# é".encode()}


MEMBERS = {
    "a.py": Member(b"1"),
    "bin/run": Member(b"#!", "executable"),
    "deep/up": Member(b"../bin", "link"),
    "same": Member(b"deep/again", "link"),
    "deep/again": Member(b"../a.py", "link"),
    "deep/root": Member(b"..", "link"),
}


def archive(*members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED, mode: int = 0o100644) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, data in members:
            info = zipfile.ZipInfo(name)
            info.compress_type, info.external_attr = compression, mode << 16
            file.writestr(info, data)
    return buffer.getvalue()


def test_what_was_packed_is_unpacked() -> None:
    assert unpack(pack(CONTENTS)) == CONTENTS
    assert unpack(pack({})) == {}


def test_equal_contents_give_equal_bytes() -> None:
    assert pack(CONTENTS) == pack(dict(reversed(CONTENTS.items())))
    assert pack({"a.py": b"1"}).hex() == (
        "504b030414000000000000002100b7efdc83010000000100000004000000612e707931504b0102140314000000000000002100"
        "b7efdc830100000001000000040000000000000000000000a48100000000612e7079504b05060000000001000100320000002300"
        "00000000"
    )


def test_executables_and_links_keep_their_kind() -> None:
    assert read_members(pack(MEMBERS)) == MEMBERS
    assert pack(MEMBERS).hex().count("ffa1") == 4  # the mode of a link in the archive's table, which stands there once
    assert unpack(pack(MEMBERS)) == {"a.py": b"1", "bin/run": b"#!", "deep/again": b"1", "same": b"1"}


@pytest.mark.parametrize("mode", [0o100600, 0o100664, 0o107666, 0o40644, 0, 0o10644])
def test_of_a_files_mode_the_executable_bit_counts_alone(mode: int) -> None:
    assert read_members(archive(("a", b"1"), mode=mode)) == {"a": Member(b"1")}
    assert read_members(archive(("a", b"1"), mode=mode | 0o100)) == {"a": Member(b"1", "executable")}


@pytest.mark.parametrize(
    ("name", "target", "expected"),
    [
        ("x", "a/b", "a/b"),
        ("x", "./a/", "a"),
        ("x", ".", ""),
        ("d/x", "..", ""),
        ("d/e/x", "../a", "d/a"),
        ("x", "..", None),
        ("d/x", "../../a", None),
        ("x", "/etc", None),
        ("x", "", None),
        ("d/x", "a/../b", None),
        ("x", "a//b", None),
        ("x", "a\0b", None),
    ],
)
def test_where_a_link_leads(name: str, target: str, expected: str | None) -> None:
    assert link_destination(name, target) == expected


@pytest.mark.parametrize(
    "links",
    [
        {"x": "/etc/passwd"},
        {"x": "../outside"},
        {"d/x": "../../outside"},
        {"x": "nothing"},
        {"p/q/d": "../..", "x": "p/q/d/../etc"},
        {"p/d": "..", "x": "p/d/a.py"},
        {"x": "d", "x/y": "../a.py"},
    ],
)
def test_links_that_lead_outside_nowhere_or_through_others_are_refused(links: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="cannot pack"):
        pack(
            {"a.py": b"", "d/f": b"", "p/q/f": b""} | {name: Member(to.encode(), "link") for name, to in links.items()}
        )
    damaged = archive(*((name, to.encode()) for name, to in links.items()), mode=0o120777)
    with pytest.raises(DamagedError, match="code package"):
        read_members(damaged)


def test_links_in_a_circle_are_no_files() -> None:
    assert unpack(pack({"a": Member(b"b", "link"), "b": Member(b"a", "link")})) == {}


def test_a_link_that_is_no_text_is_refused() -> None:
    with pytest.raises(DamagedError):
        read_members(archive(("x", b"\xff"), mode=0o120777))


def test_a_file_that_is_a_folder_too_is_refused() -> None:
    with pytest.raises(ValueError, match="a file and a folder"):
        pack({"a": b"", "a/b": b""})


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../x", "a//x", "a\\x", "C:/x", ".", "folder/"])
def test_paths_that_lead_outside_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot pack"):
        pack({name: b""})
    with pytest.raises(DamagedError, match="code package"):
        unpack(archive((name, b"")))


def test_a_name_that_is_there_twice_is_refused() -> None:
    with pytest.raises(DamagedError, match="twice"):
        unpack(archive(("a", b"1"), ("a", b"2")))


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    half = bytes(UNPACKED_BYTES_MAX // 2 + 1)
    bomb = archive(("a", half), ("b", half), compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 200_000
    with pytest.raises(ValueError, match="unpacks to"):
        pack({"a": half, "b": half})
    with pytest.raises(DamagedError, match="unpacks to"):
        unpack(bomb)


def test_damaged_bytes_are_refused() -> None:
    good = pack(CONTENTS)
    for size in range(0, len(good), 7):
        with pytest.raises(DamagedError):
            unpack(good[:size])
    with pytest.raises(DamagedError):
        unpack(good.replace(b"x = 1", b"x = 2"))
