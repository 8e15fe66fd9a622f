"""Inside of pods of a real cluster, by the command line, as a person at a terminal and as a script."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from engines.local.driving import wait_for
from fairlead.kube.client import Client
from fairlead.kube.connecting import connect
from fairlead.kube.resources import JOB, POD
from fairlead.runs.home import home
from fairlead.runs.reporting import read_report
from fairlead.specs.contexts import Context
from fairlead.store import claims
from fairlead.store.opened import Store
from projects import SOURCE
from terminals import terminal

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]

PATIENCE_S = 240.0
FLOW = """
import functools
import os
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from fairlead import flow, runtimes, step
from beside import half

GO = Path("/tmp/go")

def wait() -> None:
    while not GO.exists():
        print("waiting", flush=True)
        time.sleep(0.5)

@step(cpu="100m", memory="256Mi", cache=False, variables={"MODE": "fast"})
def serve(x: int) -> int:
    site = Path("/tmp/site")
    site.mkdir()
    (site / "index.html").write_text("from the pod " * 10_000)
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(site))
    server = ThreadingHTTPServer(("127.0.0.1", 8000), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    wait()
    if x == 2:
        raise ValueError("two")
    return x

@step(runtime=runtimes.torch(nodes=2), cpu="100m", memory="256Mi", cache=False)
def ranks(x: int) -> str:
    Path("/tmp/rank").write_text(os.environ["RANK"])
    wait()
    return os.environ["WORLD_SIZE"]

@step(cpu="100m", memory="256Mi", cache=False, variables={"MODE": "fast"})
def broken(x: int) -> float:
    print("mode", os.environ["MODE"])
    return half(x) / (x - 4)

@flow
def one(x: int = 1):
    serve(x)

@flow
def two():
    serve.map([1, 2])

@flow
def gang():
    ranks(1)

@flow
def failing():
    broken(4)
"""


class Site:
    """A project whose runs go to the cluster, and the commands that look into them."""

    def __init__(self, context: Context, folder: Path) -> None:
        self.client = Client(connect(context.kube_context, kubeconfig=context.kubeconfig))
        self.namespace = context.namespace
        self.context = context
        self.folder = folder
        self.store = Store(context.store, home() / "host")
        self.environment = {**os.environ, "PYTHONPATH": str(SOURCE), "NO_PROXY": "127.0.0.1"}
        self.runs: list[str] = []

    def words(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "fairlead", *arguments]

    def call(self, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.words(*arguments), input=given, env=self.environment, cwd=self.folder, capture_output=True,
            timeout=PATIENCE_S, check=False,
        )  # fmt: skip

    def submit(self, flow: str) -> str:
        done = self.call("run", f"flow.py:{flow}", "--detach", "-o", "json")
        assert done.returncode == 0, done.stderr
        self.runs.append(json.loads(done.stdout)["run"])
        return self.runs[-1]

    def wait_until_running(self, step: str) -> None:
        wait_for(lambda: self.call("exec", step, "--", "test", "-d", "/tmp").returncode == 0, patience_s=PATIENCE_S)

    def let_go(self, step: str) -> None:
        assert self.call("exec", step, "--", "touch", "/tmp/go").returncode == 0

    def wait_for_end(self, run: str) -> str:
        backend = self.store.backend
        claim = claims.newest_claim(backend, run)
        assert claim is not None
        wait_for(lambda: claims.has_ended(backend, run, claim), patience_s=PATIENCE_S)
        return read_report(backend, run).status

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            self.words(*arguments), env=self.environment, cwd=self.folder, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def debug_jobs(self, run: str) -> list[str]:
        found = self.client.list(JOB, namespace=self.namespace, labels={"fairlead.dev/run": run}).items
        return [each["metadata"]["name"] for each in found if each["metadata"]["name"].startswith("debug-")]


@pytest.fixture
def site(registered: Context, tmp_path: Path) -> Iterator[Site]:
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").touch()
    (project / "flow.py").write_text(FLOW)
    (project / "beside.py").write_text("def half(x: float) -> float:\n    return x / 2\n")
    made = Site(registered, project)
    yield made
    for run in made.runs:
        made.call("cancel", run)


def test_a_running_step_is_entered_and_left_running(site: Site) -> None:
    run = site.submit("one")
    early = site.call("exec", f"{run}/serve", "--", "true")
    assert early.returncode in (0, 4)
    site.wait_until_running(f"{run}/serve")

    done = site.call("exec", f"{run}/serve", "--", "sh", "-c", "tr a-z A-Z; echo low >&2; exit 7", given=b"x" * 200_000)
    assert (done.returncode, done.stdout, done.stderr) == (7, b"X" * 200_000, b"low\n")
    assert site.call("exec", f"{run}/serve/0", "echo", "hi").stdout == b"hi\n"
    assert site.call("exec", f"{run}/serve", given=b"echo in a shell; exit 3\n").returncode == 3

    with terminal(site.words("exec", f"{run}/serve"), site.environment, site.folder) as opened:
        opened.type("echo s$((40 + 2))ze; stty size\n")
        opened.expect("s42ze")
        opened.expect("24 80")
        opened.resize(101, 31)
        time.sleep(1)
        opened.type("stty size\n")
        opened.expect("31 101")
        opened.type("sh -c 'echo be''gun; exec sleep 500'\n")
        opened.expect("begun")
        opened.type("\x03")
        opened.type("exit 6\n")
        assert opened.ended() == 6
        assert opened.current_settings() == opened.settings

    for arguments, code, said in (
        (("nothing",), 4, "the container 'main' has no program 'nothing'"),
        (("--container", "mian", "ls"), 4, "did you mean 'main'?"),
        (("--rank", "1", "ls"), 2, "step serve has no ranks"),
    ):
        done = site.call("exec", f"{run}/serve", *arguments)
        assert (done.returncode, said in done.stderr.decode()) == (code, True), done.stderr

    with site.started("attach", f"{run}/serve") as attached:
        assert attached.stdout is not None
        assert attached.stdout.readline() == "waiting\n"
        attached.send_signal(signal.SIGINT)
        _, said = attached.communicate(timeout=60)
        assert (attached.returncode, "the step goes on" in said) == (130, True)

    site.let_go(f"{run}/serve")
    assert site.wait_for_end(run) == "succeeded"
    late = site.call("exec", f"{run}/serve", "--", "true")
    assert late.returncode == 4
    assert "why    it is succeeded" in late.stderr.decode()
    assert f"fairlead debug {run}/serve/0" in late.stderr.decode()


def test_ports_of_a_step_are_here_until_its_pod_has_ended(site: Site) -> None:
    run = site.submit("two")
    for index in (0, 1):
        site.wait_until_running(f"{run}/serve/{index}")
    listens = ("python3", "-c", "import socket; socket.create_connection(('127.0.0.1', 8000))")
    wait_for(lambda: site.call("exec", f"{run}/serve/0", "--", *listens).returncode == 0, patience_s=60)
    several = site.call("port-forward", f"{run}/serve", "0:8000")
    assert several.returncode == 2
    assert "2 instances of step serve are running: 0, 1" in several.stderr.decode()

    with site.started("port-forward", f"{run}/serve/0", "0:8000", "0:8001") as first:
        assert first.stdout is not None and first.stderr is not None
        lines = [first.stdout.readline() for _ in range(2)]
        found = [re.fullmatch(rf"127\.0\.0\.1:(\d+) -> {run}/serve/0:800\d\n", line) for line in lines]
        here, nowhere = (f"http://127.0.0.1:{each[1]}/" for each in found if each)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with ThreadPoolExecutor(10) as clients:
            pages = list(clients.map(lambda _: opener.open(here, timeout=60).read(), range(30)))
        assert pages == [b"from the pod " * 10_000] * 30
        with pytest.raises(OSError):
            opener.open(nowhere, timeout=60)
        assert "port 8001: nothing listens on it in the pod" in first.stderr.readline()
        assert opener.open(here, timeout=60).read() == pages[0]
        first.send_signal(signal.SIGINT)
        assert first.wait(60) == 0

    with (
        site.started("port-forward", f"{run}/serve/1", "0:8000") as second,
        site.started("attach", f"{run}/serve/1") as third,
    ):
        assert second.stdout is not None and third.stdout is not None
        second.stdout.readline()
        third.stdout.readline()
        site.let_go(f"{run}/serve/1")
        for each in (second, third):
            _, said = each.communicate(timeout=120)
            assert (each.returncode, f"the pod of {run}/serve/1 has ended: failed" in said) == (1, True), said
    site.let_go(f"{run}/serve/0")
    assert site.wait_for_end(run) == "failed"


def test_a_rank_is_entered_where_the_user_s_code_runs(site: Site) -> None:
    run = site.submit("gang")
    for rank in (0, 1):
        site.wait_until_running(f"{run}/ranks/0/{rank}")
        wait_for(
            lambda rank=rank: site.call("exec", f"{run}/ranks", "--rank", str(rank), "cat", "/tmp/rank").stdout == str(rank).encode(),  # type: ignore[misc]
            patience_s=60,
        )  # fmt: skip
    assert "its ranks are 0 to 1" in site.call("exec", f"{run}/ranks", "--rank", "2", "ls").stderr.decode()
    for rank in (0, 1):
        site.let_go(f"{run}/ranks/0/{rank}")
    assert site.wait_for_end(run) == "succeeded"


def test_a_step_is_gone_through_again_in_a_pod_of_its_own(site: Site) -> None:
    run = site.submit("failing")
    assert site.wait_for_end(run) == "failed"
    before = {entry.key for entry in site.store.backend.list_after(f"runs/{run}/")}

    done = site.call("debug", f"{run}/broken", "--", "again")
    assert (done.returncode, done.stdout) == (1, b"mode fast\n"), done.stderr
    assert b"ZeroDivisionError" in done.stderr
    assert site.debug_jobs(run) == []

    with terminal(site.words("debug", f"{run}/broken", "--for", "10m"), site.environment, site.folder) as opened:
        shown = opened.expect("the run stays as it is", PATIENCE_S)
        assert "x = 4" in shown and "for 10m at most" in shown and "ZeroDivisionError" in shown
        (job,) = site.debug_jobs(run)
        assert site.client.get(JOB, job, namespace=site.namespace)["spec"]["activeDeadlineSeconds"] == 600
        opened.type("again --pdb\n")
        opened.expect("(Pdb) ")
        opened.type("p x - 4\n")
        opened.expect("\n0\r\n")
        opened.type("q\n")
        opened.type("sed -i 's/x - 4/x - 3/' flow.py && again; echo code $?\n")
        opened.expect("float  2.0")
        opened.expect("code 0")
        opened.type("exit 5\n")
        assert opened.ended() == 5
    assert site.debug_jobs(run) == []
    assert {entry.key for entry in site.store.backend.list_after(f"runs/{run}/")} == before

    local = site.call("debug", f"{run}/broken", "--local", "--", "again")
    assert (local.returncode, local.stdout) == (1, b"mode fast\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_pod_to_debug_in_is_removed_whoever_is_stopped(site: Site, number: signal.Signals) -> None:
    run = site.submit("failing")
    assert site.wait_for_end(run) == "failed"
    with site.started("debug", f"{run}/broken", "--", "sleep", "600") as process:
        wait_for(lambda: bool(site.debug_jobs(run)), patience_s=PATIENCE_S)
        time.sleep(3)
        process.send_signal(number)
        assert process.wait(120) == 128 + number
    assert site.debug_jobs(run) == []
    labels = {"fairlead.dev/run": run}
    running = lambda: [  # noqa: E731  # asked again and again
        pod for pod in site.client.list(POD, namespace=site.namespace, labels=labels).items
        if pod["status"].get("phase") in ("Pending", "Running")
    ]  # fmt: skip
    wait_for(lambda: not running(), patience_s=PATIENCE_S)
