"""Each cause by its own signs: what components say, word for word, and the answer that follows."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairlead.insight.rules import RULES
from fairlead.insight.why import explain
from fairlead.snapshots.snapshot import thing_of
from insight.by_hand import CASES, Case


@pytest.mark.parametrize("case", CASES, ids=lambda each: each.name)
def test_a_cause_is_known_by_its_signs_and_cites_them(case: Case) -> None:
    found = thing_of(case.subject)
    assert found is not None
    answer = explain(case.snapshot, found)
    first = answer.causes[0]
    assert first.id == case.cause, [each.id for each in answer.causes]
    assert first.evidence and all(each.value for each in first.evidence)
    assert first.message and first.remedy


def test_every_cause_has_one_layer_and_a_page_to_read() -> None:
    assert len({(rule.id, rule.layer) for rule in RULES}) == len({rule.id for rule in RULES})
    ours = Path(__file__).parents[2]
    assert all(rule.source.startswith("https://") or (ours / rule.source).is_file() for rule in RULES)
