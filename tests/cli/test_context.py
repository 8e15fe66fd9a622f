"""Contexts on the command line: what is kept, what is refused and in which words, and where --on leads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from fairlead.cli.main import call
from fairlead.runs import contexts
from fairlead.runs.settings import chosen_context, settings

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Call ``fairlead`` in a home of the test's own; returns the exit code and both outputs."""
    for name in ("FAIRLEAD_STORE", "FAIRLEAD_INDEX", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FAIRLEAD_CONTEXT", "")  # restored after the test: --on sets it
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run(text: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = call(text.split())
        captured = capsys.readouterr()
        print(f"--- fairlead {text}\n{captured.err}")
        return code, captured.out, captured.err

    return run


def test_what_is_added_is_listed_and_holds_paths_and_no_content(command: Command, tmp_path: Path) -> None:
    (tmp_path / "env").write_text("AWS_SECRET_ACCESS_KEY=secret\n")
    code, out, _ = command(
        "context add prod --store s3://b/p --kubeconfig kube --store-env env --namespace ml --user 1000 --label team=x"
    )
    assert (code, out) == (0, "added prod: fairlead run FILE --on prod\n")
    code, out, _ = command("context ls -o json")
    assert json.loads(out) == [{
        "name": "prod", "store": "s3://b/p", "kubeconfig": str(tmp_path / "kube"), "store_env": str(tmp_path / "env"),
        "namespace": "ml", "user": 1000, "labels": {"team": "x"},
    }]  # fmt: skip
    code, out, _ = command("context ls")
    assert out.splitlines()[0].split() == ["context", "kube", "context", "namespace", "store"]
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["local", "prod"]
    assert "local *" in out
    assert "secret" not in (tmp_path / "home" / "contexts" / "prod.json").read_text()


def test_hardware_is_read_from_a_file_and_kept(command: Command, tmp_path: Path) -> None:
    (tmp_path / "hardware.yaml").write_text("accelerators:\n  T4:\n    gangs: {per_node: {vpc.amazonaws.com/efa: 1}}\n")
    assert command("context add prod --store s3://one --hardware hardware.yaml")[0] == 0
    (tmp_path / "hardware.yaml").unlink()
    kept = {"accelerators": {"T4": {"gangs": {"per_node": {"vpc.amazonaws.com/efa": 1}}}}}
    assert json.loads(command("context ls -o json")[1])[0]["hardware"] == kept


def test_adding_again_replaces(command: Command) -> None:
    command("context add prod --store s3://one --queue q")
    command("context add prod --store s3://two")
    assert (contexts.find("prod").store, contexts.find("prod").queue, contexts.names()) == ("s3://two", "", ["prod"])


def test_a_chosen_context_is_the_setting_until_it_is_forgotten(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("context add prod --store s3://one")
    assert chosen_context() == "local"
    code, out, _ = command("context use prod")
    assert (code, out) == (0, "runs go to prod unless they say otherwise\n")
    assert (chosen_context(), settings()["context"].origin) == ("prod", "fairlead context use")
    assert "prod *" in command("context ls")[1]
    monkeypatch.setenv("FAIRLEAD_CONTEXT", "local")
    assert chosen_context() == "local"
    monkeypatch.setenv("FAIRLEAD_CONTEXT", "")
    code, out, _ = command("context rm prod")
    assert (code, out) == (0, "forgot prod; what was submitted with it stays where it is\n")
    assert (chosen_context(), contexts.names()) == ("local", [])


def test_local_can_always_be_chosen_again(command: Command) -> None:
    command("context add prod --store s3://one")
    command("context use prod")
    assert command("context use local")[0] == 0
    assert chosen_context() == "local"


def test_on_is_taken_wherever_it_stands_and_not_after_two_dashes(command: Command) -> None:
    for text in ("--on prod ps", "ps --on prod", "ps --on=prod -a"):
        code, out, err = command(text)
        assert (code, out) == (2, "")
        assert "there is no context 'prod'" in err
    assert command("ps --on local")[0] == 0


class Case(NamedTuple):
    """A command line, and what must be said."""

    arguments: str
    said: str
    code: int = 2


CASES = [
    Case("context", """
error: fairlead context: the following arguments are required: action
  next   fairlead context --help"""),
    Case("context show", """
error: fairlead context: argument action: invalid choice: 'show' (choose from 'add', 'ls', 'use', 'check', 'rm')
  next   fairlead context --help"""),
    Case("context add", """
error: fairlead context add needs a name
  next   fairlead context add NAME"""),
    Case("context add dev", """
error: fairlead context add needs --store
  why    pods and this machine meet in the artifact store
  next   fairlead context add dev --store s3://BUCKET/PREFIX"""),
    Case("context add dev --store /tmp/store", """
error: context 'dev' is not valid
  store: must be s3://…, gs://… or az://…, which pods can reach too; got '/tmp/store'
  next   correct it: fairlead context add --help"""),
    Case("context add dev --store s3://b --delivery mount", """
error: context 'dev' is not valid
  delivery: must be one of copy, volume; got 'mount'
  next   correct it: fairlead context add --help"""),
    Case("context add local --store s3://b", """
error: context 'local' is not valid
  name: 'local' is this machine
  next   correct it: fairlead context add --help"""),
    Case("context add dev --store s3://b --user root", """
error: fairlead context: argument --user: invalid int value: 'root'
  next   fairlead context --help"""),
    Case("context add dev --store s3://b --label team", """
error: --label takes KEY=VALUE, got 'team'
  next   give for instance --label team=vision"""),
    Case("context add dev --store s3://b --hardware nowhere.yaml", """
error: cannot read nowhere.yaml
  why    No such file or directory"""),
    Case("context add dev --store s3://b --hardware wrong.yaml", """
error: wrong.yaml is not valid
  acelerators: there is no such field; did you mean 'accelerators'?"""),
    Case("context add dev --store s3://b --hardware unknown.yaml", """
error: context 'dev' is not valid
  hardware.accelerators.H100.units: must be at least 1, got 0
  hardware.accelerators.MI300X.sharing: is of NVIDIA's cards, and MI300X is none
  next   correct it: fairlead context add --help"""),
    Case("context use prd", """
error: there is no context 'prd'
  why    did you mean 'prod'?
  next   fairlead context ls"""),
    Case("context check staging", """
error: there is no context 'staging'
  why    known: prod
  next   fairlead context ls"""),
    Case("context rm prd", """
error: there is no context 'prd'
  why    did you mean 'prod'?
  next   fairlead context ls"""),
    Case("ps --on", """
error: --on needs the name of a context
  next   fairlead context ls"""),
    Case("ps --on prd", """
error: there is no context 'prd'
  why    did you mean 'prod'?
  next   fairlead context ls"""),
    Case("ps --on prod", """
error: cannot read the store's variables {tmp}/missing
  why    No such file or directory
  next   correct it: fairlead context add … --store-env FILE"""),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[each.arguments for each in CASES])
def test_what_is_wrong_is_said(case: Case, command: Command, tmp_path: Path) -> None:
    command("context add prod --store s3://one --store-env missing")
    (tmp_path / "wrong.yaml").write_text("acelerators: {}")
    (tmp_path / "unknown.yaml").write_text("accelerators: {H100: {units: 0}, MI300X: {sharing: mps}}")
    code, out, err = command(case.arguments)
    assert (code, out) == (case.code, "")
    assert err == case.said.replace("{tmp}", str(tmp_path)).lstrip("\n") + "\n"


def test_a_damaged_file_is_said_with_its_place(command: Command, tmp_path: Path) -> None:
    command("context add prod --store s3://one")
    path = tmp_path / "home" / "contexts" / "prod.json"
    path.write_text('{"name": "prod", "store": "s3://one", "strore": 1}')
    code, _, err = command("context ls")
    assert code == 1
    assert err.splitlines()[0] == "error: cannot read the context 'prod'"
    assert str(path) in err and "strore" in err and "next   add it again" in err


def test_a_check_of_a_cluster_that_is_not_there_says_so_and_ends_with_3(command: Command, tmp_path: Path) -> None:
    command("context add prod --store s3://one --kubeconfig nothing --store-env missing")
    code, out, err = command("context check prod")
    assert code == 3
    states = {line.split("  ")[0]: line.split()[-1] and line for line in out.splitlines()[1:]}
    assert "failed" in states["kubeconfig"] and str(tmp_path / "nothing") in out + err
    assert "failed" in states["store, from here"]
    assert "next   store, from here: correct it: fairlead context add … --store-env FILE" in err
    code, out, _ = command("context check prod -o json")
    document = json.loads(out)
    assert (code, document["ready"], [each["state"] for each in document["checks"]]) == (3, False, ["failed", "failed"])
