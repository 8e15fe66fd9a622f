"""Kubeconfig files: how they are found, merged and made into connections, and what is never shown."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from fairlead.errors import UsageError
from fairlead.kube.connecting import connect, in_pod
from fairlead.kube.credentials import Files, Fixed, Identity, Plugin

SECRET = "s3cret-t0ken"


def config(
    name: str = "a", *, cluster: Any = None, user: Any = None, context: Any = None, current: str = ""
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": f"c-{name}", "cluster": {"server": f"https://{name}.example:6443"} | (cluster or {})}],
        "users": [{"name": f"u-{name}", "user": user or {"token": SECRET}}],
        "contexts": [{"name": name, "context": {"cluster": f"c-{name}", "user": f"u-{name}"} | (context or {})}],
        "current-context": current,
    }


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_the_first_file_to_name_something_wins(tmp_path: Path) -> None:
    second = config("b", current="b")
    second["clusters"].append({"name": "c-a", "cluster": {"server": "https://never.example"}})
    files = [write(tmp_path / "1", config("a")), tmp_path / "missing", write(tmp_path / "2", second)]
    environment = {"KUBECONFIG": ":".join(map(str, files))}
    assert connect(environment=environment).context == "b"
    assert connect("a", environment=environment).server == "https://a.example:6443"


def test_without_the_variable_it_is_the_file_in_the_home(tmp_path: Path) -> None:
    write(tmp_path / ".kube/config", config(current="a", context={"namespace": "ml"}))
    found = connect(environment={"HOME": str(tmp_path)})
    assert (found.context, found.namespace) == ("a", "ml")
    assert connect(environment={"HOME": str(tmp_path)}, namespace="other").namespace == "other"


def test_a_file_that_is_given_stands_in_the_place_of_all_others(tmp_path: Path) -> None:
    other = write(tmp_path / "other", config("b", current="b"))
    assert (
        connect(
            kubeconfig=str(other), environment={"KUBECONFIG": str(write(tmp_path / "1", config("a", current="a")))}
        ).context
        == "b"
    )
    with pytest.raises(UsageError, match="no such file"):
        connect(kubeconfig=str(tmp_path / "missing"), environment={})


def test_what_is_relative_is_so_to_the_file_it_stands_in(tmp_path: Path) -> None:
    write(tmp_path / "deep/ca.pem", "THE CA")
    write(tmp_path / "deep/token", "rotating\n")
    user = {"tokenFile": "token", "client-certificate": "cert", "client-key": "key"}
    write(tmp_path / "deep/cert", "CERT")
    write(tmp_path / "deep/key", "KEY")
    path = write(tmp_path / "deep/config", config(cluster={"certificate-authority": "ca.pem"}, user=user, current="a"))
    found = connect(environment={"KUBECONFIG": str(path)})
    assert found.authority == "THE CA"
    assert found.credentials.identity() == Identity("Bearer rotating", "CERT", "KEY")


def test_inline_data_stays_in_memory(tmp_path: Path) -> None:
    user = {"client-certificate-data": b64("CERT"), "client-key-data": b64("KEY"), "client-key": "not-read"}
    path = write(tmp_path / "config", config(cluster={"certificate-authority-data": b64("CA")}, user=user, current="a"))
    found = connect(kubeconfig=str(path))
    assert (found.authority, found.credentials.identity()) == ("CA", Identity("", "CERT", "KEY"))
    assert [each.name for each in tmp_path.iterdir()] == ["config"]


def test_options_of_clusters_and_users_arrive(tmp_path: Path) -> None:
    cluster = {"tls-server-name": "inside", "insecure-skip-tls-verify": True, "proxy-url": "http://p:1"}
    user = {"username": "me", "password": "it", "as": "her", "as-groups": ["g1", "g2"]}
    found = connect(kubeconfig=str(write(tmp_path / "config", config(cluster=cluster, user=user, current="a"))))
    assert (found.server_name, found.insecure, found.proxy) == ("inside", True, "http://p:1")
    assert found.credentials.identity().authorization == f"Basic {b64('me:it')}"
    assert found.headers == (("Impersonate-User", "her"), ("Impersonate-Group", "g1"), ("Impersonate-Group", "g2"))


def test_a_context_may_have_no_user(tmp_path: Path) -> None:
    path = write(tmp_path / "config", config(context={"user": ""}, current="a"))
    assert connect(kubeconfig=str(path)).credentials.identity() == Identity()


def broken(change: dict[str, Any]) -> dict[str, Any]:
    return config(current="a") | change


@pytest.mark.parametrize(
    ("content", "context", "said"),
    [
        ("", "", "no Kubernetes context|there is no kubeconfig"),
        (config("gpu-prod"), "gpu-prd", "did you mean 'gpu-prod'"),
        (config("gpu-prod"), "", "known: gpu-prod"),
        (broken({"clusters": None}), "", r"no cluster \(of context a\) 'c-a'"),
        (broken({"users": None}), "", r"no user \(of context a\) 'u-a'"),
        (broken({"clusters": [{"name": "c-a"}]}), "", "has no server"),
        ("clusters: 3", "", r"Expected `array \| null`, got `int` - at `\$.clusters`"),
        (f"users: [{{token: '{SECRET}", "", "it is no YAML, line 1"),
        (config(user={"token": SECRET, "client-key-data": "%"}, current="a"), "", "client-key-data is no base64"),
        (config(user={"auth-provider": {"name": "gcp"}}, current="a"), "", "can't be used"),
        (config(user={"exec": {"command": "x", "apiVersion": "client.authentication.k8s.io/v1alpha1"}}, current="a"), "", "speaks"),
        (config(cluster={"certificate-authority": "none.pem"}, current="a"), "", "cannot read the certificate authority"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_without_a_secret(tmp_path: Path, content: Any, context: str, said: str) -> None:
    path = write(tmp_path / "config", content)
    with pytest.raises(UsageError, match=said) as caught:
        connect(context, kubeconfig=str(path))
    assert SECRET not in str(caught.value)


def test_without_any_file_the_message_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no kubeconfig") as caught:
        connect(environment={"HOME": str(tmp_path)})
    assert "KUBECONFIG" in caught.value.next


def test_no_representation_shows_a_credential(tmp_path: Path) -> None:
    users = [{"token": SECRET}, {"username": "u", "password": SECRET}, {"client-key-data": b64(SECRET)},
             {"exec": {"command": "x", "apiVersion": Plugin.VERSIONS[0], "env": [{"name": "E", "value": SECRET}], "args": [SECRET]}}]  # fmt: skip
    for number, user in enumerate(users):
        found = connect(kubeconfig=str(write(tmp_path / f"{number}", config(user=user, current="a"))))
        from fairlead.kube.kubeconfig import read

        shown = repr(found) + repr(found.credentials) + repr(read([tmp_path / f"{number}"]))
        assert SECRET not in shown
        assert b64(SECRET) not in shown


def test_a_pod_uses_its_service_account(tmp_path: Path) -> None:
    for name, text in (("token", "t1"), ("ca.crt", "CA"), ("namespace", "team\n")):
        write(tmp_path / name, text)
    found = in_pod(
        environment={"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}, account=tmp_path
    )
    assert (found.server, found.namespace, found.authority) == ("https://[fd00::1]:443", "team", "CA")
    assert found.credentials.identity().authorization == "Bearer t1"
    with pytest.raises(UsageError, match="not a pod"):
        in_pod(environment={}, account=tmp_path / "none")


def test_kinds_of_credentials_follow_the_user(tmp_path: Path) -> None:
    def kind(user: Any) -> type:
        return type(connect(kubeconfig=str(write(tmp_path / "config", config(user=user, current="a")))).credentials)

    plugin = {"command": "x", "apiVersion": Plugin.VERSIONS[0]}
    write(tmp_path / "t", "x")
    assert kind({"token": "x"}) is Fixed
    assert kind({"exec": plugin}) is Plugin
    assert kind({"exec": plugin, "token": "x"}) is Fixed
    assert kind({"tokenFile": "t", "token": "x"}) is Files
