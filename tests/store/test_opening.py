"""Opening a store from a path or a URL."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.errors import MissingExtra, UsageError
from fairlead.store.backends import Folder
from fairlead.store.opening import open_backend


@pytest.mark.parametrize("form", ["{}", "file://{}", "file:{}", "FILE://localhost{}"])
def test_a_path_or_a_file_url_is_a_folder(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "a store"
    url = form.format(folder if form == "{}" else str(folder).replace(" ", "%20"))
    backend = open_backend(url)
    assert isinstance(backend, Folder)
    assert backend.root == folder
    backend.put("a", b"1")
    assert open_backend(backend.url).get("a") == b"1"


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert open_backend("runs:2026").url == str(tmp_path / "runs:2026")
    assert open_backend("~/store").url == str(tmp_path / "home" / "store")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s4://bucket", "known: az, file, gs, s3"),
        ("http://user:secret@host/x?token=secret", "known: az, file, gs, s3"),
        ("s3:/bucket", "s3://bucket/prefix"),
        ("file:relative", "file:///path"),
        ("", "give a path"),
        ("file://host/path", "file:///path"),
    ],
)
def test_what_names_no_store_is_refused_with_the_known_forms(url: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        open_backend(url)
    assert said in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["s3://", "s3:///prefix", "s3://key:secret@bucket/x", "s3://bucket/x?token=secret"])
def test_a_remote_url_is_a_bucket_and_a_prefix(url: str) -> None:
    pytest.importorskip("obstore")
    with pytest.raises(UsageError, match="a bucket and a prefix") as refused:
        open_backend(url)
    assert "secret" not in str(refused.value)


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(MissingExtra, match=r"(?s)s3://bucket.*obstore.*fairlead\[remote\]"):
        open_backend("s3://bucket")


def test_a_folder_needs_no_remote_library() -> None:
    code = "import fairlead.store.opening as o, sys; o.open_backend('/x'); sys.exit('obstore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
