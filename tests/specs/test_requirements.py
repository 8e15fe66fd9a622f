"""What a lock says does not depend on how it is written; what is no lock is refused line by line."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.specs.requirements import read_requirements
from fairlead.specs.steps import Environment
from fairlead.specs.values import Ref

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,6}(-[a-z0-9]{1,4})?", fullmatch=True)
VERSIONS = st.from_regex(r"[0-9]{1,2}\.[0-9]{1,2}(\.post1)?", fullmatch=True)
HASHES = st.lists(st.integers(0, 99).map("sha256:{:064x}".format), min_size=1, max_size=3, unique=True)
PACKAGES = st.dictionaries(NAMES, st.tuples(VERSIONS, HASHES), min_size=1, max_size=6)


def written(packages: dict[str, tuple[str, list[str]]], seed: random.Random) -> list[str]:
    """Write a lock as somebody might: in any order, with comments and space, in several lines, names spelled freely."""
    lines = []
    for name, (version, hashes) in seed.sample(sorted(packages.items()), len(packages)):
        spelled = "".join(seed.choice((each, each.upper())) for each in name).replace("-", seed.choice("-_."))
        parts = [f"{spelled}{seed.choice(('==', ' == '))}{version}"]
        parts += [f"--hash={each}" for each in seed.sample(hashes, len(hashes))]
        lines += f"{seed.choice(('', '  '))}{seed.choice((' ', chr(92) + chr(10) + '    ')).join(parts)}".splitlines()
        lines += seed.choice(([], ["    # via somebody"], [""], ["# a comment with pandas in it"]))
    return lines


@given(PACKAGES, st.randoms(use_true_random=False), st.randoms(use_true_random=False))
def test_order_layout_comments_and_spelling_do_not_count(packages, one: random.Random, other: random.Random) -> None:
    first, second = read_requirements(written(packages, one)), read_requirements(written(packages, other))
    assert first == second
    assert not first.faults
    assert first.hashed
    assert len(first.lines) == len(packages)
    assert read_requirements(first.text.decode().splitlines()) == first


@given(PACKAGES, st.randoms(use_true_random=False))
def test_another_version_or_hash_is_another_lock(packages, seed: random.Random) -> None:
    before = read_requirements(written(packages, seed)).digest
    name = sorted(packages)[0]
    version, hashes = packages[name]
    assert read_requirements(written({**packages, name: (version + "1", hashes)}, seed)).digest != before
    assert read_requirements(written({**packages, name: (version, [*hashes, "sha256:00"])}, seed)).digest != before


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("pandas", "'pandas' is not pinned: write NAME==VERSION, or make a lock"),
        ("pandas>=2", "is not pinned"),
        ("pandas==2.*", "is not pinned"),
        ("pandas==2.1,<3", "is not pinned"),
        ("./pandas.whl", "is not pinned"),
        ("pandas @ https://example.org/pandas.whl", "is not pinned"),
        ("--index-url https://example.org/packages", "--index-url says where packages come from"),
        ("-i https://example.org/packages", "-i says where packages come from"),
        ("--extra-index-url=https://example.org/packages", "--extra-index-url says where"),
        ("-r other.txt", "-r names another file"),
        ("-e .", "-e can't stand in a lock"),
        ("--pre", "--pre can't stand in a lock"),
    ],
)
def test_what_is_no_lock_is_refused_with_its_line(line: str, said: str) -> None:
    (number, why), *more = read_requirements(["numpy==2.0", "# a comment", line]).faults
    assert (number, more) == (2, [])
    assert said in why


def test_a_package_without_hashes_among_others_is_named() -> None:
    read = read_requirements(["a==1 --hash=sha256:00", "b==2"])
    assert read.faults == ((1, "has no --hash, which others have: all have one, or none"),)
    assert not read.hashed


def test_extras_markers_and_what_may_be_built_are_kept_in_one_spelling() -> None:
    read = read_requirements(['Torch_Vision[ B,a ]==1.0+cpu;  python_version <  "3.12"', "--no-binary  torch", "x===1"])
    assert read.lines == (
        "--no-binary=torch", 'torch-vision[a,b]==1.0+cpu ; python_version < "3.12"', "x===1",
    )  # fmt: skip
    assert read.builds
    assert not read_requirements(["x==1"]).builds


def test_an_environment_has_the_digest_of_its_lock_however_it_is_declared() -> None:
    read = read_requirements(["b==2", "a==1"])
    assert Environment(packages=("a==1", "b==2")).locked == read.digest
    assert Environment(lock=Ref(digest=read.digest, format="lock", size_bytes=10)).locked == read.digest
    assert Environment().locked is None
