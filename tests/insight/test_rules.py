"""Each cause by its own signs: what components say, word for word, and the answer that follows."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairlead.insight.rules import RULES
from fairlead.insight.why import explain
from fairlead.snapshots.snapshot import thing_of
from insight import by_hand_pods, by_operators
from insight.by_hand import Case


@pytest.mark.parametrize("case", [*by_hand_pods.CASES, *by_operators.CASES], ids=lambda each: each.name)
def test_a_cause_is_known_by_its_signs_and_cites_them(case: Case) -> None:
    found = thing_of(case.subject)
    assert found is not None
    answer = explain(case.snapshot, found)
    first = answer.causes[0]
    assert first.id == case.cause, [each.id for each in answer.causes]
    assert first.evidence and all(each.value for each in first.evidence)
    assert first.message and first.remedy


def test_every_rule_has_a_name_and_a_page_to_read() -> None:
    """What different kinds show may be one cause: one rule for each, of one name."""
    assert len({(rule.id, rule.kinds) for rule in RULES}) == len(RULES)
    ours = Path(__file__).parents[2]
    assert all(rule.source.startswith("https://") or (ours / rule.source).is_file() for rule in RULES)
