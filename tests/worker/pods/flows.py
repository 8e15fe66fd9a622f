"""Steps that end in ways a pod has to cope with; copied out of the tests before it is run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import fairlead
from fairlead import Retries, container, flow, step

FOREVER_S = 600


def attempt() -> int:
    return int(os.environ["FAIRLEAD_ATTEMPT"])


@step(retries=Retries(user=0, infrastructure=2, backoff="10ms"))
def lose_pod(times: int) -> int:
    """Take the whole pod along, as the loss of a node does, in the first attempts."""
    print(f"attempt {attempt()} begins", flush=True)
    if attempt() <= times:
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
    return attempt()


@flow
def lost(times: int = 1) -> Any:
    return lose_pod(times)


@step(retries=Retries(user=0, infrastructure=1, backoff="10ms"))
def wait(path: str) -> int:
    """Say that it runs, and never end in the first attempt."""
    fairlead.log(loss=0.5, at=attempt())
    print("it runs", flush=True)
    Path(path).write_text("it runs")
    if attempt() == 1:
        time.sleep(FOREVER_S)
    return attempt()


@flow
def waiting(path: str) -> Any:
    return wait(path)


@step(retries=Retries(user=0, infrastructure=1, backoff="10ms"))
def train(path: str) -> str:
    """Leave three checkpoints and a half, and lose the pod."""
    folder = fairlead.checkpoint()
    newest = folder.latest()
    if newest is not None:
        found = sorted(each.relative_to(newest).as_posix() for each in newest.rglob("*"))
        return f"{newest.name} {found} {(newest / 'deep' / 'weights').read_text()}"
    for at in (8, 9, 10):
        with folder.save(at=at) as unfinished:
            (unfinished / "deep" / "empty").mkdir(parents=True)
            (unfinished / "deep" / "weights").write_text(f"weights of {at}")
            (unfinished / "newest").symlink_to("deep/weights")
    with folder.save(at=11) as unfinished:
        (unfinished / "weights").write_text("half of")
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError(path)


@flow
def trained() -> Any:
    return train("")


@step
def write_much(mib: int) -> None:
    """Write lines, and one byte that is no UTF-8 in each."""
    line = b"\xff" + b"x" * 1022 + b"\n"
    for _ in range(mib):
        sys.stdout.buffer.write(line * 1024)
    sys.stdout.flush()


@flow
def verbose(mib: int = 100) -> Any:
    return write_much(mib)


@step
def end(how: str) -> str:
    fairlead.log(loss=1.5)
    print(f"about to end by {how}", flush=True)
    if how == "segfault":
        signal.raise_signal(signal.SIGSEGV)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "os._exit":
        os._exit(0)
    if how == "child" and os.fork() == 0:
        os.setsid()
        time.sleep(FOREVER_S)
    return how


@flow
def ends(how: str = "well") -> Any:
    return end(how)


@step
def scored(score: float) -> dict[str, Any]:
    if score < 0:
        raise ValueError(f"score must be 0 or more, got {score}")
    return {"score": score, "items": [1, 2, 3]}


@step
def take(x: Any = None) -> Any:
    return x


@flow
def decided(score: float = 0.9) -> Any:
    found: Any = scored(score)
    take.options(name="good", when=found["score"] > 0.5)("good")
    take.options(name="bad", when=found["score"] <= 0.5)("bad")
    return take.options(name="each").map(found["items"])


@step
def where() -> list[str]:
    import where_module

    return [str(os.getuid()), os.environ["HOME"], str(Path(where_module.__file__).parent), os.getcwd()]


@flow
def placed() -> Any:
    return where()


@step
def equal(x: int) -> float:
    return time.time()


@flow
def equals(n: int = 2) -> Any:
    return [equal(1) for _ in range(n)] + [equal.map([1, 2, 1])]


boxed = container(
    "boxed",
    image="python:3.11",
    command=["python3", "-c", "import sys; open(sys.argv[2], 'w').write(open(sys.argv[1]).read().upper())",
             "{text}", "{output}"],
    parameters=["text"],
)  # fmt: skip


@step
def read(path: Path) -> str:
    return path.read_text()


@flow
def contained(text: str = "loud") -> Any:
    return read(boxed(text=text))


@step(retries=Retries(user=0, infrastructure=1, backoff="10ms"))
def break_store(place: str, mends: bool) -> int:
    """Make a folder of the store a file in the first attempt, below which nothing can be written.

    That of values; or, with `mends`, that of records, and only until this process has ended and before the pod's own
    goes on: that waits for whoever has its output.
    """
    if attempt() == 1:
        folder = Path(place) / (f"runs/{os.environ['FAIRLEAD_RUN']}/attempts" if mends else "objects")
        if folder.exists():
            folder.rename(f"{folder}.away")
        folder.touch()
        if mends:
            script = f"while kill -0 {os.getpid()}; do sleep 0.05; done 2>/dev/null; rm {folder}"
            subprocess.Popen(["sh", "-c", script], start_new_session=True)
    return attempt()


@flow
def unstored(place: str, mends: bool = False) -> Any:
    return break_store(place, mends)
