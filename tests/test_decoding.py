"""Types are decoded in any thread, also for the first time."""

from __future__ import annotations

import subprocess
import sys

import pytest

RACE = """
import sys, threading, msgspec
from fairlead.decoding import decode_json
sys.setswitchinterval(1e-6)
for n in range(300):
    inner = msgspec.defstruct(f"I{n}", [(f"a{i}", "int", 0) for i in range(30)])
    outer = msgspec.defstruct(f"T{n}", [(f"a{i}", "int", 0) for i in range(50)] + [("b", list[inner], [])])
    barrier = threading.Barrier(4)
    def decode():
        barrier.wait()
        assert decode_json(b'{"a1": 3, "b": [{"a3": 1}]}', outer).b[0].a3 == 1
    threads = [threading.Thread(target=decode) for _ in range(4)]
    for each in threads: each.start()
    for each in threads: each.join()
print("whole")
"""


@pytest.mark.timeout(120)
def test_threads_that_meet_a_type_at_once_do_not_crash() -> None:
    done = subprocess.run([sys.executable, "-c", RACE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "whole"), done.stderr
