"""What people read of an answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairlead.cli.main import call
from insight import pictures as p


def test_what_was_not_read_for_one_reason_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    why = "you may not list them"
    unread = [
        {"what": "nodes", "why": why},
        {"what": "the log of p/main", "why": "it is gone"},
        {"what": "jobs", "why": why},
    ]
    (tmp_path / "objects").mkdir()
    (tmp_path / "meta.json").write_text(json.dumps({"version": 1, "subject": "p", "unread": unread}))
    (tmp_path / "objects/pods.json").write_text(json.dumps({"items": [p.ended(3)]}))
    assert call(["why", f"{tmp_path}/"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Pod team/p is failed\n\nfirst cause: exit-code (code, 60% sure)\n")
    assert said.endswith(f"not read\n  nodes, jobs: {why}\n  the log of p/main: it is gone\n")
