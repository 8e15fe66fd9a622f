"""``fairlead config show``: settings with their origin, without passwords."""

from __future__ import annotations

from pathlib import Path

import pytest

from finished import Command


def test_settings_are_shown_with_their_origin(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.toml").write_text("parallel = 3\n")
    monkeypatch.setenv("FAIRLEAD_STORE", "s3://bucket/team")
    monkeypatch.delenv("FAIRLEAD_CONTEXT", raising=False)
    found = {each["name"]: each for each in command("config", "show", "-o", "json", home=tmp_path).document}
    assert {name: each["value"] for name, each in found.items()} == {
        "home": str(tmp_path),
        "context": "local",
        "store": "s3://bucket/team",
        "index": f"sqlite:///{tmp_path}/index.sqlite",
        "parallel": "3",
    }
    assert [each["origin"] for each in found.values()] == [
        "the environment variable FAIRLEAD_HOME",
        "the default",
        "the environment variable FAIRLEAD_STORE",
        "the default",
        str(tmp_path / "config.toml"),
    ]
    assert command("config", "show", home=tmp_path).out.splitlines()[0].split() == ["NAME", "VALUE"]
    assert f"  origin   {tmp_path}/config.toml\n" in command("config", "show", "--origin", home=tmp_path).out


@pytest.mark.parametrize("url", ["postgresql://ann:hunter2@host/db", "postgresql://host/db?user=ann&password=hunter2"])
def test_passwords_are_not_shown(command: Command, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("FAIRLEAD_INDEX", url)
    shown = command("config", "show", "--origin").out
    assert "hunter2" not in shown
    assert "***" in shown


def test_an_unknown_setting_in_the_file_is_named(command: Command, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("paralel = 3\n")
    shown = command("config", "show", home=tmp_path)
    assert (shown.code, "unknown setting 'paralel'" in shown.err, "'parallel'" in shown.err) == (2, True, True)
