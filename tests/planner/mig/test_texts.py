"""Layouts and counts as people write them."""

from __future__ import annotations

from collections import Counter

import pytest

from fairlead.errors import UsageError
from fairlead.planner.mig.cards import card_named
from fairlead.planner.mig.layouts import Gpu, Instance
from fairlead.planner.mig.texts import read_counts, read_gpus

A100 = card_named("A100")


def test_layouts_are_read() -> None:
    one, two, three, four = read_gpus(A100, "3g.20gb@4=ns/a+1g.5gb:2, 1g+me=b+2g@0,", 4)
    assert one.layout == (Instance(0, "1g.5gb"), Instance(1, "1g.5gb"), Instance(4, "3g.20gb"))
    assert one.pods == {Instance(4, "3g.20gb"): "ns/a"}
    assert one.used == (Instance(4, "3g.20gb"),)
    assert one.free == one.layout[:2]
    assert two.layout == (Instance(0, "2g.10gb"), Instance(6, "1g.5gb+me"))
    assert two.pods == {Instance(6, "1g.5gb+me"): "b"}
    assert three == four == Gpu()


@pytest.mark.parametrize("text", ["1g.5gb+me", "1g.5gb.me", "1G.5GB+ME", "1g+me"])
def test_a_profile_has_several_names(text: str) -> None:
    assert read_counts(A100, text) == Counter({"1g.5gb+me": 1})


def test_counts_are_read_and_added() -> None:
    assert read_counts(A100, "3g:2, 1g.10gb,3g.20gb:1") == Counter({"3g.20gb": 3, "1g.10gb": 1})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("3g+3g+1g", "they take 9 memory slices"),
        ("3g@1", "may begin at memory slice 0 or 4, not 1"),
        ("3g@0+4g", "beside 3g.20gb@0 there is no room for 4g.20gb"),
        ("3g@0:2", "is no instance"),
        ("3g=", "is no instance"),
        ("3g+", "is no instance"),
        ("5g", "has no MIG profile '5g'"),
        ("2g.20gb", "did you mean"),
        ("1g=a,1g=a", "'a' stands on two instances"),
        ("7g,7g,7g", "3 layouts are given for 2"),
    ],
)
def test_what_can_not_be_is_named(text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        read_gpus(A100, text, 2)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [("3g:0", "nothing is asked for"), ("3g:x", "is no count"), ("", "is no count"), ("9g:1", "has no MIG profile")],
)
def test_counts_that_can_not_be_are_named(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_counts(A100, text)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("A40", "did you mean 'A30'"),
        ("T4", "it has no MIG"),
        ("GH200-144GB", "no source says where its instances may stand"),
        ("A100-MIG-3g.20gb", "write A100-40GB"),
    ],
)
def test_a_card_that_can_not_be_cut_is_named(name: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        card_named(name)
    assert said in str(error.value)
