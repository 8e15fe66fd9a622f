"""What happens where a server cannot be had."""

from __future__ import annotations

import pytest

from servers.fixtures import start_or_skip
from servers.processes import Unavailable


def missing() -> None:
    raise Unavailable("install it\nwith care")


def test_a_missing_server_fails_on_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="install it"):
        start_or_skip(missing)


def test_a_missing_server_skips_elsewhere_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"^install it$"):
        start_or_skip(missing)
