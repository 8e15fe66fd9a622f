"""Which proxy a request goes through."""

from __future__ import annotations

import pytest

from fairlead.kube.proxies import proxy_for

PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("server", "exempt", "used"),
    [
        ("https://api.corp.example:6443", "", True),
        ("https://api.corp.example:6443", "corp.example", False),
        ("https://api.corp.example:6443", ".corp.example", False),
        ("https://corp.example:6443", ".corp.example", True),
        ("https://api.notcorp.example", "corp.example", True),
        ("https://api.corp.example:6443", "other, *.corp.example", False),
        ("https://api.corp.example:6443", "corp.example:443", True),
        ("https://api.corp.example:6443", "corp.example:6443", False),
        ("https://10.96.0.1", "10.0.0.0/8", False),
        ("https://11.96.0.1", "10.0.0.0/8", True),
        ("https://10.96.0.1", "10.96.0.1:443", False),
        ("https://[fd00::1]:6443", "fd00::/8", False),
        ("https://anything", "*", False),
        ("https://localhost:6443", "", False),
        ("https://127.0.0.1:6443", "", False),
        ("https://[::1]:6443", "", False),
        ("http://api.corp.example", "", False),
    ],
)
def test_the_rules_are_those_of_kubectl(server: str, exempt: str, used: bool) -> None:
    assert proxy_for(server, {"HTTPS_PROXY": PROXY, "NO_PROXY": exempt}) == (PROXY if used else "")


def test_lower_case_and_a_bare_host_do_as_well() -> None:
    assert proxy_for("https://a.example", {"https_proxy": "proxy:3128", "no_proxy": "b.example"}) == PROXY
    assert proxy_for("http://a.example", {"HTTP_PROXY": PROXY}) == PROXY
