"""The documents that commands print are valid by their published schemas, as JSON and as YAML."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from finished import Command, Finished

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
READS = {
    "get {run}": "run",
    "ps -a": "runs",
    "ps --metric accuracy": "comparison",
    "events {run}": "events",
    "artifacts ls {run}": "artifacts",
    "config show": "settings",
    "package {file}": "package",
    "parity {file}:good": "parity",
    "why {run}": "why",
}


@pytest.mark.parametrize("arguments", READS)
def test_a_document_is_valid_and_the_same_in_both_forms(finished: Finished, command: Command, arguments: str) -> None:
    words = arguments.format(run=finished.first, file=finished.project.folder / "flow.py").split()
    document = command(*words, "-o", "json").document
    schema = json.loads((SCHEMAS / f"{READS[arguments]}.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)
    assert yaml.safe_load(command(*words, "-o", "yaml").out) == document
    assert document
