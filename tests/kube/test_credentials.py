"""Credentials that change: files that are rotated, and plugins whose tokens expire."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from fairlead.kube.credentials import REREAD_S, Exec, Files, Plugin, Variable, bearer
from fairlead.kube.failures import CredentialsError

V1, V1BETA1 = Plugin.VERSIONS


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_a_file_is_read_again_after_a_minute_and_when_it_is_refused(tmp_path: Path) -> None:
    path, clock = tmp_path / "token", Clock()
    path.write_text("one")
    files = Files(token=path, clock=clock)
    assert files.identity().authorization == "Bearer one"
    path.write_text("two\n")
    assert files.identity().authorization == "Bearer one"
    clock.now += REREAD_S
    assert files.identity().authorization == "Bearer two"
    path.write_text("three")
    assert files.renew()
    assert files.identity().authorization == "Bearer three"


def test_a_file_that_is_away_for_a_moment_leaves_what_it_held(tmp_path: Path) -> None:
    path, clock = tmp_path / "token", Clock()
    path.write_text("one")
    files = Files(token=path, clock=clock)
    files.identity()
    path.unlink()
    clock.now += REREAD_S
    assert files.identity().authorization == "Bearer one"
    with pytest.raises(CredentialsError, match="cannot read credentials"):
        Files(token=path, clock=clock).identity()


def program(folder: Path, prints: str) -> Path:
    """Write a plugin that keeps what it was told and counts its runs; `prints` is Python that prints."""
    path = folder / "plugin"
    path.write_text(
        f"#!{sys.executable}\n"
        + textwrap.dedent(
            """\
            import json, os, pathlib, sys
            here = pathlib.Path(__file__).parent
            told = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
            runs = here / "runs"
            count = len(runs.read_text()) + 1 if runs.exists() else 1
            runs.write_text("x" * count)
            (here / "told").write_text(json.dumps({"info": told, "args": sys.argv[1:], "own": os.environ.get("OWN")}))
            def credential(**status):
                print(json.dumps({"apiVersion": told["apiVersion"], "kind": "ExecCredential", "status": status}))
            """
        )
        + prints
    )
    path.chmod(0o755)
    return path


def plugin(folder: Path, prints: str, clock: Clock | None = None, **settings: Any) -> Plugin:
    program(folder, prints)
    given = {"command": "./plugin", "api_version": V1, "interactive_mode": "Never"} | settings
    return Plugin(Exec(**given), folder, {"server": "https://x"}, now=clock or Clock())


def runs(folder: Path) -> int:
    return len((folder / "runs").read_text())


def test_a_token_that_no_header_can_hold_is_refused_without_showing_it() -> None:
    for token in ("s3cret\nInjected: yes", "s3crèt"):
        with pytest.raises(CredentialsError) as caught:
            bearer(token)
        assert "s3c" not in str(caught.value)
    assert bearer("t\n") == "Bearer t"


@pytest.mark.parametrize("version", [V1, V1BETA1])
def test_a_plugin_is_told_what_kubectl_tells_it(tmp_path: Path, version: str) -> None:
    source = plugin(
        tmp_path, "credential(token='t')", api_version=version, args=["get", "token"], env=[Variable("OWN", "mine")], provide_cluster_info=True
    )  # fmt: skip
    assert source.identity().authorization == "Bearer t"
    told = json.loads((tmp_path / "told").read_text())
    assert told == {
        "info": {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False, "cluster": {"server": "https://x"}}},
        "args": ["get", "token"],
        "own": "mine",
    }  # fmt: skip


def test_a_token_is_kept_until_it_expires(tmp_path: Path) -> None:
    clock = Clock()
    prints = "credential(token=f't{count}', expirationTimestamp='1970-01-12T13:47:40Z')"  # 1,000,060 s
    source = plugin(tmp_path, prints, clock)
    assert [source.identity().authorization for _ in range(3)] == ["Bearer t1"] * 3
    clock.now += 49
    assert source.identity().authorization == "Bearer t1"
    clock.now += 2
    assert source.identity().authorization == "Bearer t2"


def test_a_token_without_an_end_is_kept_until_it_is_refused(tmp_path: Path) -> None:
    source, clock = plugin(tmp_path, "credential(token=f't{count}')"), Clock()
    clock.now += 1e9
    assert source.identity().authorization == source.identity().authorization == "Bearer t1"
    assert source.renew()
    assert source.identity().authorization == "Bearer t2"
    assert runs(tmp_path) == 2


def test_a_plugin_may_give_a_certificate(tmp_path: Path) -> None:
    found = plugin(tmp_path, "credential(clientCertificateData='CERT', clientKeyData='KEY')").identity()
    assert (found.authorization, found.certificate, found.key) == ("", "CERT", "KEY")


@pytest.mark.parametrize(
    ("prints", "settings", "said"),
    [
        ("sys.exit(3)", {}, "it ended with 3"),
        ("print('s3cret')", {}, "printed no ExecCredential"),
        ("credential()", {}, "neither a token nor a certificate"),
        ("credential(clientCertificateData='CERT')", {}, "neither a token nor a certificate"),
        ("told['apiVersion'] = 'other'; credential(token='s3cret')", {}, "another kind or version"),
        ("", {"command": "./missing"}, "No such file"),
        ("", {"interactive_mode": "Always"}, "there is no terminal"),
    ],
)
def test_a_plugin_that_fails_is_an_error_with_its_hint(
    tmp_path: Path, prints: str, settings: dict[str, Any], said: str
) -> None:
    source = plugin(tmp_path, prints, install_hint="install it\n  from there", **settings)
    with pytest.raises(CredentialsError, match=said) as caught:
        source.identity()
    assert caught.value.next == "install it from there"
    assert caught.value.exit_code == 3
    assert "s3cret" not in str(caught.value)
