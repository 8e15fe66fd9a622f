"""The tables of fields: what of a definition is in them, and that they are what their sources give."""

from __future__ import annotations

import gzip
import json
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

from fairlead.kube.client import Client
from servers.apiserver import ApiServer

ROOT = Path(__file__).parents[2]
TOOL = runpy.run_path(str(ROOT / "tools" / "fields.py"))
DEFINITIONS = ROOT.parent / "shared/crds"

SCHEMA = {
    "type": "object",
    "properties": {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        "spec": {
            "type": "object",
            "description": "What it is to be.",
            "required": ["size", "mode"],
            "x-kubernetes-validations": [{"rule": "self.size > 1"}],
            "properties": {
                "size": {"type": "integer", "format": "int32", "minimum": 1, "description": "How large."},
                "mode": {"type": "string", "enum": ["a", "b"], "default": "a"},
                "limit": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
                "words": {"type": "array", "maxItems": 3, "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "whatever": {"x-kubernetes-preserve-unknown-fields": True},
            },
        },
    },
}
DEFINITION = {
    "spec": {
        "group": "example.dev",
        "names": {"kind": "Thing"},
        "versions": [
            {"name": "v1alpha1", "storage": False, "schema": {"openAPIV3Schema": {"type": "object"}}},
            {"name": "v1", "storage": True, "schema": {"openAPIV3Schema": SCHEMA}},
        ],
    }
}
COMPONENT = TOOL["Component"]("Things", "example/things", "v1.2.3", "crds", ("things.yaml",))


@pytest.mark.parametrize("packed", [False, True])
def test_a_table_has_the_facts_of_a_definition_in_the_version_that_is_stored_and_no_words_of_it(packed: bool) -> None:
    text = yaml.safe_dump(DEFINITION).encode()
    ((name, table),) = TOOL["defined"](COMPONENT, "things.yaml", gzip.compress(text) if packed else text)
    assert name == "example.dev_v1_Thing.json"
    types = table.pop("types")
    assert table == {"of": "Things v1.2.3", "source": "example/things v1.2.3 crds/things.yaml", "rules": 1}
    assert types[-1] == {"type": "object", "fields": {"spec": len(types) - 2}}
    spec = types[-2]
    assert spec["required"] == ["size"]  # the other one has a default
    assert {field: types[place] for field, place in spec["fields"].items()} == {
        "size": {"type": "integer", "least": 1, "format": "int32"},
        "mode": {"type": "string", "enum": ["a", "b"]},
        "limit": {"type": "int-or-string"},
        "words": {"type": "array", "items": types.index({"type": "string"}), "keys": [], "most": 3},
        "labels": {"type": "object", "fields": {}, "values": types.index({"type": "string"})},
        "whatever": {"open": True},
    }
    assert "large" not in json.dumps(types)


def test_a_table_is_written_where_it_is_new_and_named_where_it_is_not_what_its_definition_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = tmp_path / "tables"
    space = TOOL["main"].__globals__
    for name, value in {"TABLES": tables, "COMPONENTS": (COMPONENT,)}.items():
        monkeypatch.setitem(space, name, value)
    (tmp_path / "kept.yaml").write_text(yaml.safe_dump(DEFINITION))
    manifest = ["file\trepo\tpath\tref", "kept.yaml\texample/things\tcrds/things.yaml\tv1.2.3"]
    (tmp_path / "MANIFEST.tsv").write_text("\n".join([*manifest, ""]))
    monkeypatch.setattr("sys.argv", ["fields.py", "--check", str(tmp_path)])
    assert space["main"]() == 1
    assert "out of date example.dev_v1_Thing.json" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["fields.py", str(tmp_path)])
    assert space["main"]() == 0
    written = capsys.readouterr().out
    assert "wrote example.dev_v1_Thing.json" in written
    assert f"not in {tmp_path.name}: Kubernetes v1.34.4 /openapi/v3/apis/batch/v1" in written
    monkeypatch.setattr("sys.argv", ["fields.py", "--check", str(tmp_path)])
    assert space["main"]() == 0


def test_there_is_no_table_that_nothing_makes() -> None:
    """Each is of a component of the list, in its version there."""
    sources = {TOOL["source"](each, name) for each in (*TOOL["COMPONENTS"], TOOL["KATIB"]) for name in each.files}
    sources |= {f"kubernetes/kubernetes {TOOL['KUBERNETES']} /openapi/v3/{path}" for path in TOOL["SERVED"]}
    found = {json.loads(each.read_bytes())["source"] for each in TOOL["TABLES"].iterdir()}
    assert found == sources


@pytest.mark.slow
@pytest.mark.skipif(not (DEFINITIONS / "MANIFEST.tsv").exists(), reason="the definitions of components are not there")
def test_the_tables_of_components_are_what_their_definitions_give() -> None:
    found, _ = TOOL["tables"](DEFINITIONS)
    assert len(found) > 30
    assert [name for name, table in found.items() if not TOOL["is_current"](name, table)] == []


@pytest.mark.apiserver
def test_the_tables_of_kubernetes_are_what_an_api_server_of_that_version_says(api_server: ApiServer) -> None:
    client = Client(api_server.connection())
    version = client.request("GET", "/version")["gitVersion"]
    if version != TOOL["KUBERNETES"]:
        pytest.skip(f"this API server is of {version}")
    for path, kinds in TOOL["SERVED"].items():
        schemas: dict[str, Any] = client.request("GET", f"/openapi/v3/{path}")["components"]["schemas"]
        for name, table in TOOL["served"](path, kinds, schemas):
            assert TOOL["is_current"](name, table), name
