"""What ``fairlead capacity`` printed of simulations, read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fairlead.cli.main import call

SCHEMA = Path(__file__).parents[1] / "docs" / "schemas" / "simulation.schema.json"


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert call(["capacity", *words]) == 0
    return capsys.readouterr().out


def document(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    found = json.loads(printed(capsys, *words, "-o", "json"))
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(found)
    return found
