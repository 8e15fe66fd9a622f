"""fairlead capacity partition: plans of cutting GPUs, and what it says of what can't be."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from fairlead.cli.main import call

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "partition.schema.json"
GPUS = ["capacity", "partition", "--gpus", "A100-40GB:3", "--now", "3g.20gb=a+3g.20gb,7g.40gb=b,1g@0=c+1g=d"]


def test_a_plan_is_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert call([*GPUS, "--want", "4g.20gb,2g.10gb:2", "-o", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(document)
    assert (document["card"], document["possible"], document["exact"], document["missing"]) == (
        "A100-40GB", True, True, {},
    )  # fmt: skip
    (move,) = document["moves"]
    assert (move["pod"], move["profile"], move["from_gpu"], move["from_start"]) == ("c", "1g.5gb", 2, 0)
    assert [each["cut"] for each in document["gpus"]] == [True, False, True]
    assert document["gpus"][1]["now"] == document["gpus"][1]["then"] == [{"profile": "7g.40gb", "start": 0, "pod": "b"}]
    free = [each["profile"] for gpu in document["gpus"] for each in gpu["then"] if "pod" not in each]
    assert sorted(free) == ["2g.10gb", "2g.10gb", "4g.20gb"]
    assert document["gpus"][0]["compute_slices_wasted"] == 1


def test_people_get_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert call([*GPUS, "--want", "4g.20gb,2g.10gb:2"]) == 0
    head, *rows, _, said, move = capsys.readouterr().out.splitlines()
    assert head.split() == ["GPU", "NOW", "CUT", "WASTED", "SLICES", "THEN"]
    assert [row.split()[2] for row in rows] == ["yes", "no", "yes"]
    assert said == "1 pod moves, 2 GPUs are cut anew"
    assert move.strip().startswith("c: GPU 2 at 0 -> GPU 0 at ")


def test_what_can_not_be_ends_with_6(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["capacity", "partition", "--gpus", "A100:2", "--now", "3g.20gb=a", "--want", "4g.20gb:2,7g.40gb"]
    assert call(words) == 6
    said = capsys.readouterr().out
    assert "bare" in said
    assert "not possible: missing are 1 of 4g.20gb" in said
    assert call([*words, "-o", "yaml"]) == 6
    assert "missing:\n  4g.20gb: 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--gpus", "A40:2", "--want", "7g.40gb"], "cards that can be cut: A30, A100-40GB"),
        (["--gpus", "L4:2", "--want", "7g.40gb"], "it has no MIG"),
        (["--gpus", "A100:0", "--want", "7g.40gb"], "there must be 1 to 256"),
        (["--gpus", "A100:x", "--want", "7g.40gb"], "there must be 1 to 256"),
        (["--gpus", "A100:2", "--want", "4g.30gb"], "did you mean '4g.20gb'"),
        (["--gpus", "A100:2", "--want", "3g.20gb:0"], "nothing is asked for"),
        (["--gpus", "A100:1", "--now", "3g+3g+1g", "--want", "1g"], "9 memory slices, and the A100-40GB has 8"),
        (["--gpus", "A100:1", "--now", "7g,7g", "--want", "1g"], "2 layouts are given for 1"),
    ],
)
def test_wrong_use_is_refused(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert call(["capacity", "partition", *words]) == 2
    assert said in capsys.readouterr().err
