"""The documentation keeps up: every command, option, setting, error and public name is mentioned."""

from __future__ import annotations

import inspect
import re

import pytest

import fairlead
from docs.pages import FOLDER, PAGES
from fairlead import errors
from fairlead.authoring.steps import Options
from fairlead.cli.main import EXIT_CODES, VERBS
from fairlead.packaging.ignoring import LEFT_OUT, LEFT_OUT_OF_ROOT, SECRETS
from fairlead.runs.settings import SETTINGS
from fairlead.specs.steps import PRUNERS, SAMPLERS
from fairlead.store.formats.registry import _BUILT_IN

TEXT = "\n".join(page.read_text("utf-8") for page in PAGES)
CODE = set(re.findall(r"[\w.-]+", " ".join(re.findall(r"`[^`]+`|```.*?```", TEXT, re.DOTALL))))
ERRORS = [
    name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, errors.FairleadError)
]


def is_said(name: str) -> bool:
    """Whether a name stands in code somewhere in the documentation, alone or after ``fairlead.``."""
    return name in CODE or f"fairlead.{name}" in CODE


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_is_documented(verb: str) -> None:
    assert f"`fairlead {verb}" in TEXT


@pytest.mark.parametrize("option", Options.__annotations__)
def test_every_option_of_a_step_has_a_row(option: str) -> None:
    assert f"| `{option}` |" in (FOLDER / "specs.md").read_text("utf-8")


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_has_a_row_and_its_variable(setting: str) -> None:
    assert f"| `{setting}` |" in TEXT
    assert f"`FAIRLEAD_{setting.upper()}`" in TEXT


@pytest.mark.parametrize("name", [*LEFT_OUT, *LEFT_OUT_OF_ROOT, *SECRETS])
def test_every_name_that_does_not_travel_is_documented(name: str) -> None:
    assert f"`{name}`" in (FOLDER / "code.md").read_text("utf-8")


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_is_documented(error: str) -> None:
    assert re.search(rf"\b{error}\b", (FOLDER / "errors.md").read_text("utf-8"))


@pytest.mark.parametrize("code", EXIT_CODES)
def test_every_exit_code_has_a_row(code: int) -> None:
    assert f"| {code} | {EXIT_CODES[code]}" in TEXT


@pytest.mark.parametrize("name", [*fairlead.__all__, *SAMPLERS, *PRUNERS, *_BUILT_IN])
def test_every_public_name_sampler_pruner_and_format_is_documented(name: str) -> None:
    assert is_said(name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_between_pages_lead_somewhere_and_every_page_has_one(page: object) -> None:
    text = page.read_text("utf-8")  # type: ignore[attr-defined]
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / target).exists(), target  # type: ignore[attr-defined]
    assert page == FOLDER / "index.md" or f"({page.relative_to(FOLDER)})" in (FOLDER / "index.md").read_text("utf-8")  # type: ignore[attr-defined]


def test_no_page_names_a_place_of_one_machine() -> None:
    assert not re.search(r"/(home|root|work|tmp)/", TEXT)
