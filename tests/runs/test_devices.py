"""The accelerators of a node: what its resources and labels say of them, and what pods leave."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.runs.devices import Devices, devices, is_device

PRODUCT = {"nvidia.com/gpu.product": "NVIDIA-A10"}


@pytest.mark.parametrize(
    ("resource", "amount", "labels", "expected"),
    [
        ("nvidia.com/gpu", 2, {}, Devices("nvidia.com/gpu", "nvidia.com/gpu", 2)),
        ("nvidia.com/gpu", 2, PRODUCT, Devices("nvidia.com/gpu", "NVIDIA-A10", 2)),
        ("nvidia.com/gpu", 8, {**PRODUCT, "nvidia.com/gpu.replicas": "4"}, Devices("nvidia.com/gpu", "NVIDIA-A10", 2, 4)),
        ("nvidia.com/gpu.shared", 8, {**PRODUCT, "nvidia.com/gpu.replicas": "4"},
         Devices("nvidia.com/gpu.shared", "NVIDIA-A10-SHARED", 2, 4)),
        ("nvidia.com/mig-1g.5gb", 7, PRODUCT, Devices("nvidia.com/mig-1g.5gb", "mig-1g.5gb", 7)),
        ("amd.com/gpu", 4, {}, Devices("amd.com/gpu", "amd.com/gpu", 4)),
        ("google.com/tpu", 4, {"cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice"},
         Devices("google.com/tpu", "tpu-v5e", 4)),
        ("example.com/gpu", 1, {}, Devices("example.com/gpu", "example.com/gpu", 1)),
    ],
)  # fmt: skip
def test_a_resource_is_devices(resource: str, amount: int, labels: dict[str, str], expected: Devices) -> None:
    amounts = {"cpu": Decimal(8), "hugepages-2Mi": Decimal(1), resource: Decimal(amount), "amd.com/none": Decimal(1)}
    assert list(devices(amounts, labels)) == [expected]
    assert expected.slices == ("mig" in resource)


@pytest.mark.parametrize(
    ("amount", "replicas", "said", "count"),
    [
        (7, "4", "has 7 nvidia.com/gpu, of which 4 are a card: 1 are counted as taken", 2),
        (2, "many", "its label nvidia.com/gpu.replicas=many is not heeded", 2),
        (2, "0", "its label nvidia.com/gpu.replicas=0 is not heeded", 2),
        (2000, "1", "its nvidia.com/gpu are left out: there can't be 2000", 0),
    ],
)
def test_what_can_not_be_is_said(amount: int, replicas: str, said: str, count: int) -> None:
    note, *found = devices({"nvidia.com/gpu": Decimal(amount)}, {"nvidia.com/gpu.replicas": replicas})
    assert isinstance(note, str) and note.startswith(said)
    assert [each.count for each in found if isinstance(each, Devices)] == ([count] if count else [])


def test_the_slices_of_one_profile_may_be_called_gpus() -> None:
    (found,) = devices({"nvidia.com/gpu": Decimal(7)}, {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"})
    assert isinstance(found, Devices) and found.slices and is_device("nvidia.com/gpu")


def test_shares_go_to_the_emptiest_card() -> None:
    shared = Devices("nvidia.com/gpu", "T4", 2, 4)
    assert [shared.left(taken) for taken in (0, 1, 2, 3, 8, 9)] == [
        (1000, 1000), (750, 1000), (750, 750), (500, 750), (0, 0), (0, 0)
    ]  # fmt: skip


@given(st.integers(1, 8), st.integers(1, 7), st.integers(0, 100))
def test_what_is_taken_is_not_left(count: int, replicas: int, taken: int) -> None:
    left = Devices("nvidia.com/gpu", "T4", count, replicas).left(taken)
    assert len(left) == count and all(0 <= each <= 1000 for each in left)
    shares = max(0, count * replicas - taken)
    assert abs(sum(left) - 1000 * shares / replicas) < count * replicas  # a part is cut to whole thousandths
    assert (sum(left) == 0) == (shares == 0)
