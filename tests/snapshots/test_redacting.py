"""Nothing secret is kept, wherever it is hidden; what answers need stays."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.snapshots import redacting
from fairlead.snapshots.redacting import GONE, redacted_object, redacted_text

SECRET = "Zx9-qL3_vT7wR2mK8pN4"
PLACES = st.sampled_from(
    [
        {"kind": "Secret", "metadata": {"name": "s"}, "data": {"key": SECRET}, "stringData": {"other": SECRET}},
        {"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"settings.ini": SECRET}, "binaryData": {"b": SECRET}},
        {"kind": "Pod", "spec": {"containers": [{"env": [{"name": "KEY", "value": SECRET}]}]}},
        {"kind": "Pod", "spec": {"initContainers": [{"env": [SECRET, {"value": SECRET}]}]}},
        {"kind": "Pod", "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": SECRET}}},
        {
            "kind": "Pod",
            "spec": {"containers": [{"args": [f"--password={SECRET}", f"--api-key {SECRET}".replace(" ", "=")]}]},
        },
        {"kind": "Event", "message": f"can't reach postgres://user:{SECRET}@db/x"},
        {"kind": "Event", "message": f"Authorization: Bearer {SECRET}"},
    ]
)


@given(st.lists(PLACES, min_size=1, max_size=4), st.integers(0, 3))
def test_no_secret_is_left_however_deep_it_lies(objects: list[dict], depth: int) -> None:
    value: dict = {"kind": "List", "items": objects}
    for _ in range(depth):
        value = {"kind": "Thing", "spec": {"template": value}}
    assert SECRET not in json.dumps(redacted_object(value))


@pytest.mark.parametrize(
    "line",
    [
        f"AWS_SECRET_ACCESS_KEY={SECRET}",
        f'{{"token": "{SECRET}"}}',
        f"db password: {SECRET}",
        "key AKIAABCDEFGHIJKLMNOP used",
        f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----",
        f"hf_{SECRET.replace('-', '')}",
    ],
)
def test_lines_of_logs_lose_what_looks_like_a_secret(line: str) -> None:
    found = redacted_text(line)
    assert GONE in found and SECRET not in found and "AKIAABCDEFGHIJKLMNOP" not in found


_PARTS = st.sampled_from(
    ["password", "api-key", "token", "=", ": ", '"', SECRET, "://", "u:p@h", "bearer ", "hf_", "eyJ", "AKIA", " ", "AB1",
     "\n", "-----BEGIN PRIVATE KEY-----"]
)  # fmt: skip


@given(st.lists(_PARTS, max_size=8).map("".join))
def test_a_text_that_is_not_looked_at_further_has_nothing_to_be_taken_out(text: str) -> None:
    assert redacted_text(text) == redacting._without_secrets(text)


def test_what_answers_need_stays() -> None:
    line = '0/3 nodes are available: 3 Insufficient nvidia.com/gpu; secret "keys" not found'
    pod = {"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"env": [{"name": "A", "value": "x"}]}]}}
    assert redacted_text(line) == line
    assert redacted_object(pod)["spec"]["containers"][0]["env"] == [{"name": "A", "value": GONE}]
