"""Any number of threads may be the first to decode a type."""

from __future__ import annotations

import subprocess
import sys

RACE = """
import sys, threading
from typing import Any, TypedDict

import msgspec

from fairlead.decoding import decoder

sys.setswitchinterval(1e-6)  # threads take turns as often as can be
DATA = b'{"metadata": {"name": "a", "labels": {"x": "y"}}, "status": {"phase": "Running"}}'
for round in range(50):
    Inner = msgspec.defstruct("Inner", [("name", str), ("labels", dict[str, str])])
    Form = TypedDict("Form", {"metadata": Inner, "status": dict[str, Any]})
    together = threading.Barrier(8)
    found = []

    def decode():
        together.wait()
        found.append(decoder(Form).decode(DATA)["metadata"].labels["x"])

    threads = [threading.Thread(target=decode) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["y"] * 8
"""


def test_threads_that_decode_a_type_for_the_first_time_at_once_do_not_end_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", RACE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
