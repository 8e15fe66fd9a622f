"""Flows of the tests of faults; run as files of a user, and never imported by the tests."""

from __future__ import annotations

import os
import pathlib
import resource
import signal
import subprocess
import sys
import threading
import time

import fairlead
from fairlead import flow, step, sweep

FOREVER_S = 600


def note(line: str) -> None:
    """Append a line to the file that counts executions, in one write."""
    with open(os.environ["EXECUTIONS"], "ab", buffering=0) as file:
        file.write(line.encode() + b"\n")


def told(name: str) -> bool:
    """Say whether the test has made a file of this name."""
    return os.path.exists(os.path.join(os.path.dirname(os.environ["EXECUTIONS"]), name))


@step
def link(number: int) -> int:
    print(f"begin {number}", flush=True)
    note(f"begin {number}")
    print(f"end {number}", flush=True)
    note(f"end {number}")
    return number + 1


@flow
def chain(length: int = 30) -> int:
    number = 0
    for _ in range(length):
        number = link(number)
    return number


@step
def hold(number: int) -> int:
    note(f"begin {number}")
    while not told("go"):
        time.sleep(0.01)
    return number


@flow
def held(count: int = 1):
    return hold.map(list(range(count)))


@step
def stubborn(number: int) -> int:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note(f"begin {number}")
    time.sleep(FOREVER_S)
    return number


@flow
def unwilling():
    return stubborn(0)


@step(timeout="1s")
def parent_of_many() -> None:
    child = [sys.executable, "-c", f"import time; time.sleep({FOREVER_S})"]
    subprocess.Popen(child)
    subprocess.Popen(["sh", "-c", f"sleep {FOREVER_S} & sleep {FOREVER_S}"])
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(FOREVER_S)
        os._exit(0)
    note("begin")
    time.sleep(FOREVER_S)


@flow
def grandchildren():
    return parent_of_many()


@step
def daemon() -> int:
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    detached = subprocess.Popen(["sleep", str(FOREVER_S)], start_new_session=True, **quiet)
    note(str(detached.pid))
    return 1


@step
def after_daemon(number: int) -> int:
    return number + 1


@flow
def leaves_daemon():
    return after_daemon(daemon())


@step
def working_parent() -> None:
    subprocess.Popen(["sleep", str(FOREVER_S)])
    subprocess.Popen(["sleep", str(FOREVER_S)], start_new_session=True)
    note("begin")
    time.sleep(FOREVER_S)


@flow
def working():
    return working_parent()


@step
def runaway() -> str:
    def spin() -> None:
        while True:
            time.sleep(0.01)

    threading.Thread(target=spin, daemon=False).start()
    return "returned"


@flow
def threads():
    return runaway()


@step
def flood(megabytes: int) -> None:
    block = (b"x" * 99 + b"\n") * 10_000
    for _ in range(megabytes):
        os.write(1, block)


@flow
def flooding(megabytes: int = 200):
    return flood(megabytes)


@step
def chat(lines: int, end: str) -> int:
    """Log much; returns by how many KiB the process has grown meanwhile."""
    for number in range(2000):
        fairlead.log(loss=1.0, accuracy=0.5, at=number)
    note("begin")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(2000, lines):
        fairlead.log(loss=1.0, accuracy=0.5, at=number)
    note("end")
    while not told("go"):
        time.sleep(0.01)
    if end == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before


@flow
def chatty(lines: int = 60_000, end: str = "returns"):
    return chat(lines, end)


@step
def read_input() -> str:
    return repr(sys.stdin.read())


@flow
def reading():
    return read_input()


@step
def wide(number: int) -> int:
    note(f"begin {number}")
    return number


@flow
def many(count: int = 500):
    return wide.map(list(range(count)))


@step
def timed(number: int) -> int:
    note(f"begin {number}")
    time.sleep(0.05)
    note(f"end {number}")
    return number


@flow
def bounded(cpu: str = "1", memory: str = ""):
    asked = {"cpu": cpu, "memory": memory} if memory else {"cpu": cpu}
    return timed.options(**asked).map(list(range(8)))


@flow
def impossible():
    first = link(0)
    return timed.options(cpu=100_000)(first)


@step
def grow(number: int, megabytes: int) -> bytes:
    note(f"begin {number}")
    return bytes([number]) * (megabytes << 20)


@step
def measure(data: bytes) -> int:
    note(f"measure {data[0]}")
    return len(data)


@flow
def growing(count: int = 6, megabytes: int = 3):
    return [measure(grow(number, megabytes)) for number in range(count)]


@step
def turn_read_only(number: int) -> int:
    """Make the disk that the store is on read-only; a test makes it writable again."""
    note(f"turn {number}")
    if not told("go"):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for output in (1, 2):  # no disk turns read-only while somebody writes to it
            os.dup2(nowhere, output)
        command = ["mount", "-o", "remount,ro", os.environ["FAIRLEAD_HOME"]]
        while subprocess.run(command, check=False).returncode:
            time.sleep(0.05)
    return number + 1


@flow
def turning():
    return wide(turn_read_only(wide(1)))


@step
def make(number: int) -> dict:
    note(f"make {number}")
    return {"number": number}


@step
def gate(given: dict) -> dict:
    note(f"gate {given['number']}")
    if not told("go"):
        raise ValueError("not yet")
    return given


@flow
def gated():
    return gate(make(7))


@step
def harm(content: str, how: str = "corrupted") -> None:
    """Damage the stored value that is written like this."""
    for path in pathlib.Path(os.environ["FAIRLEAD_HOME"], "objects").iterdir():
        if path.read_bytes() == content.encode():
            path.unlink()
            if how == "corrupted":
                path.write_bytes(b"#" * len(content))
    note(f"harm {content}")


@step
def use(given: dict) -> int:
    note(f"use {given['number']}")
    return given["number"]


@step
def make_many(count: int) -> list[dict]:
    note("make many")
    return [{"number": number} for number in range(count)]


SEVEN = '{"number":7}'


@flow
def harmed(how: str = "corrupted", users: int = 1):
    made = make(7)
    done = harm(SEVEN, how).after(made)
    return [use(made).after(done) for _ in range(users)]


@flow
def harmed_item():
    many = make_many(3)
    done = harm('{"number":1}').after(many)
    return use.map(many).after(done)


@flow
def harmed_chain():
    made = make(7)
    passed = give_back(made)
    early = use(made)
    done = harm(SEVEN).after(passed, early)
    return [early, use(passed).after(done)]  # what both steps return is one object


@step
def give_back(given: dict) -> dict:
    note(f"give back {given['number']}")
    return given


@flow(dynamic=True)
def harmed_loop() -> int:
    made = make(7)
    harm(SEVEN)
    return use(made) + use(make(8))


@step
def score(given: dict, x: int) -> int:
    note(f"score {x}")
    fairlead.log(score=x + given["number"])
    return x


@flow
def harmed_sweep():
    made = make(7)
    found = sweep(score, over={"x": [1, 2, 3]}, trials=3, parallel=1, maximize="score", sampler="grid")(given=made)
    done = harm(SEVEN).after(found.value)
    return use(made).after(done), found.value


@step
def constant(given: bytes) -> int:
    return len(given)


@flow
def harmed_constant():
    done = harm("x" * 200)
    return constant(b"x" * 200).after(done)


@step
def where() -> list[int]:
    return [os.getpid(), os.getppid()]


@step
def refuse() -> int:
    raise ValueError("refused")


@flow
def inline():
    return [where(), link(0), refuse()]


@flow(dynamic=True)
def inline_loop(goal: int = 3) -> int:
    number = 0
    while number < goal:
        number = link(number)
    return number
