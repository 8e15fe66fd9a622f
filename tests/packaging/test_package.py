"""Archives of a code package."""

from __future__ import annotations

import io
import warnings
import zipfile

import pytest

from fairlead.errors import DamagedError
from fairlead.packaging.package import UNPACKED_BYTES_MAX, pack, unpack

CONTENTS = {"lib/__init__.py": b"", "flow.py": b"x = 1\n", "lib/é.py": "# é".encode()}


def archive(*members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, data in members:
            file.writestr(name, data)
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
    with pytest.raises(DamagedError, match="unpacks to"):
        unpack(bomb)


def test_damaged_bytes_are_refused() -> None:
    good = pack(CONTENTS)
    for size in range(0, len(good), 7):
        with pytest.raises(DamagedError):
            unpack(good[:size])
    with pytest.raises(DamagedError):
        unpack(good.replace(b"x = 1", b"x = 2"))
