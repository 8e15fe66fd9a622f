"""Accelerator requests as users write them, and the facts of the data file behind them."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from itertools import pairwise
from math import prod

import pytest

from fairlead.specs.accelerators import AcceleratorModel, accelerator_models, parse_accelerator

MODELS = tuple(accelerator_models().values())
PARTITIONED = [model for model in MODELS if model.mig_profiles]
SLICED = [model for model in MODELS if model.vendor == "google"]
RESOURCES = {
    "nvidia": "nvidia.com/gpu",
    "amd": "amd.com/gpu",
    "google": "google.com/tpu",
    "aws": "aws.amazon.com/neuron",
    "intel": "habana.ai/gaudi",
}


def _name(model: AcceleratorModel) -> str:
    return model.name


@pytest.mark.parametrize(
    ("text", "model", "count"),
    [
        ("A100:1", "A100-40GB", 1),
        ("A100", "A100-40GB", 1),
        ("a100-80gb:8", "A100-80GB", 8),
        ("A100-80GB", "A100-80GB", 1),
        (" H100:4 ", "H100", 4),
        ("h100-nvl:2", "H100-NVL", 2),
        ("GH200-96GB:1", "GH200", 1),
        ("v100:1", "V100-16GB", 1),
        ("rtx-a6000:2", "RTX-A6000", 2),
        ("gpu:2", "nvidia", 2),
        ("NVIDIA:1", "nvidia", 1),
        ("MI300X:8", "MI300X", 8),
        ("trainium:16", "trainium", 16),
        ("Trn2:16", "trainium2", 16),
        ("inf2:12", "inferentia2", 12),
        ("gaudi:8", "gaudi", 8),
        ("Gaudi3:8", "gaudi3", 8),
    ],
)
def test_counted_devices_are_read(text: str, model: str, count: int) -> None:
    request = parse_accelerator(text)
    assert (request.model.name, request.count) == (model, count)
    assert request.mig_profile is None
    assert request.topology is None


@pytest.mark.parametrize(
    ("text", "model", "profile", "count"),
    [
        ("A100-MIG-3g.20gb:1", "A100-40GB", "3g.20gb", 1),
        ("A100-80GB-MIG-3g.40gb:2", "A100-80GB", "3g.40gb", 2),
        ("a100-mig-1G.5GB+ME", "A100-40GB", "1g.5gb+me", 1),
        ("H200-MIG-1g.18gb:7", "H200", "1g.18gb", 7),
        ("A30-MIG-2g.12gb:2", "A30", "2g.12gb", 2),
    ],
)
def test_mig_slices_are_read(text: str, model: str, profile: str, count: int) -> None:
    request = parse_accelerator(text)
    assert request.mig_profile is not None
    assert (request.model.name, request.mig_profile.name, request.count) == (model, profile, count)


@pytest.mark.parametrize(
    ("text", "model", "topology", "chips"),
    [
        ("tpu-v4:2x2x1", "tpu-v4", "2x2x1", 4),
        ("TPU-v5-lite:4x8", "tpu-v5e", "4x8", 32),
        ("tpu-v5p-slice:16x16x24", "tpu-v5p", "16x16x24", 6144),
        ("tpu-v6e:1x1", "tpu-v6e", "1x1", 1),
    ],
)
def test_tpu_slices_are_read_and_count_chips(text: str, model: str, topology: str, chips: int) -> None:
    request = parse_accelerator(text)
    assert (request.model.name, request.topology, request.count) == (model, topology, chips)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A1000:1", "unknown accelerator 'A1000'; did you mean "),
        ("gaudy:8", "unknown accelerator 'gaudy'; did you mean 'gaudi'"),
        ("quantum:1", "unknown accelerator 'quantum'; known: "),
        ("A100:0", "the number of A100-40GB must be at least 1, got 0"),
        ("trainium:00", "the number of trainium must be at least 1, got 00"),
        ("A100:2x2", "A100-40GB is counted, not sliced: write A100-40GB:COUNT, got '2x2'"),
        ("tpu-v4:4", "tpu-v4 is asked for by topology, for instance tpu-v4:2x2x1, got '4'"),
        ("tpu-v4", "tpu-v4 is asked for by topology, for instance tpu-v4:2x2x1, got ''"),
        ("tpu-v4:0x2x1", "tpu-v4 is asked for by topology, for instance tpu-v4:2x2x1, got '0x2x1'"),
        ("tpu-v5e:3x3", "tpu-v5e offers no topology '3x3'; it offers 1x1, 2x2, 2x4, "),
        ("tpu-v5e:2x2x1", "tpu-v5e offers no topology '2x2x1'; "),
        ("tpu-v4-MIG-1g.5gb:2x2x1", "tpu-v4 has no MIG profile '1g.5gb'; it can't be partitioned"),
        ("T4-MIG-1g.5gb:1", "T4 has no MIG profile '1g.5gb'; it can't be partitioned; 1g.5gb is a profile of A100"),
        ("nvidia-MIG-9g.9gb:1", "nvidia has no MIG profile '9g.9gb'; it can't be partitioned"),
    ],
)
def test_impossible_requests_say_why(text: str, message: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        parse_accelerator(text)


def test_profile_of_another_card_names_the_cards_that_offer_it() -> None:
    with pytest.raises(ValueError) as caught:
        parse_accelerator("A100-MIG-3g.40gb:1")
    assert str(caught.value) == (
        "A100-40GB has no MIG profile '3g.40gb'; "
        "it offers 1g.5gb, 1g.5gb+me, 1g.10gb, 2g.10gb, 3g.20gb, 4g.20gb, 7g.40gb; "
        "3g.40gb is a profile of A100-80GB, H100"
    )


@pytest.mark.parametrize("text", ["", ":", "A100:", "A100:one", "A100:-1", "A100:1.5", "A100:1:2", "A100 1", ":4"])
def test_other_forms_are_refused_with_the_right_form(text: str) -> None:
    with pytest.raises(ValueError, match="is no accelerator request: write MODEL:COUNT, "):
        parse_accelerator(text)


def test_names_and_aliases_are_unique_in_any_case() -> None:
    names = [name.lower() for model in MODELS for name in (model.name, *model.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", [name for model in MODELS for name in (model.name, *model.aliases)])
def test_every_name_is_read_in_any_case(name: str) -> None:
    expected = next(model for model in MODELS if name in (model.name, *model.aliases))
    amount = expected.topologies[0] if expected.topologies else "1"
    for written in (name, name.lower(), name.upper()):
        assert parse_accelerator(f"{written}:{amount}").model == expected


@pytest.mark.parametrize("model", MODELS, ids=_name)
def test_every_model_names_its_vendors_resource(model: AcceleratorModel) -> None:
    assert model.resource == RESOURCES[model.vendor]


@pytest.mark.parametrize("model", MODELS, ids=_name)
def test_memory_is_known_and_agrees_with_the_name(model: AcceleratorModel) -> None:
    if model.name == "nvidia":
        assert model.memory_gib is None
        return
    assert model.memory_gib is not None
    assert 16 <= model.memory_gib <= 256
    for name in (model.name, *model.aliases):
        if named := re.search(r"-([0-9]+)GB$", name):
            assert model.memory_gib == int(named[1])


@pytest.mark.parametrize("model", PARTITIONED, ids=_name)
def test_mig_profiles_fit_their_card(model: AcceleratorModel) -> None:
    assert model.vendor == "nvidia"
    assert model.memory_gib is not None
    slices = 4 if model.name == "A30" else 7
    names = [profile.name for profile in model.mig_profiles]
    assert len(names) == len(set(names))
    for profile in model.mig_profiles:
        assert re.fullmatch(rf"{profile.compute_slices}g\.{profile.memory_gib:g}gb(\+me)?", profile.name)
        assert profile.count_max >= 1
        assert profile.count_max * profile.compute_slices <= slices
        # Profile names round the memory up, by at most a few percent of the card (4 x 24 on 94).
        assert profile.count_max * profile.memory_gib <= model.memory_gib * 1.03
        if profile.name.endswith("+me"):
            assert profile.count_max == 1
            assert profile.name.removesuffix("+me") in names
    whole = [profile for profile in model.mig_profiles if profile.compute_slices == slices]
    assert [(profile.memory_gib, profile.count_max) for profile in whole] == [(model.memory_gib, 1)]


@pytest.mark.parametrize("model", SLICED, ids=_name)
def test_topologies_are_made_of_whole_hosts_in_growing_order(model: AcceleratorModel) -> None:
    assert model.topologies
    assert model.chips_per_host
    chips = [prod(int(side) for side in topology.split("x")) for topology in model.topologies]
    assert all(small < large for small, large in pairwise(chips))
    assert all(size == 1 or size % model.chips_per_host == 0 for size in chips)
    assert len({topology.count("x") for topology in model.topologies}) == 1


@pytest.mark.parametrize("model", [model for model in MODELS if model.vendor != "google"], ids=_name)
def test_only_tpus_have_topologies(model: AcceleratorModel) -> None:
    assert model.topologies == ()
    assert model.chips_per_host is None


def test_data_file_has_no_unknown_field_and_names_a_source_for_every_vendor() -> None:
    data = json.loads(files("fairlead.specs").joinpath("accelerators.json").read_text("utf-8"))
    assert {key for entry in data["models"] for key in entry} <= set(AcceleratorModel.__struct_fields__)
    assert len(data["models"]) == len(MODELS), "two models share a name"
    sourced = {family.split("_")[0] for family, titles in data["sources"].items() if titles}
    assert sourced == {model.vendor for model in MODELS}
