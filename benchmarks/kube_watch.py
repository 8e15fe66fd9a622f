"""What watching the pods of 200 runs costs here and in the official Python client. Prints one JSON document.

The pods lie in a real API server, which is started for it. Every figure is taken in a process of its own: first around
the first list, until every pod is held; then around the events of that many patches of pods. Who watches first
alternates.

    python benchmarks/kube_watch.py [--pods 5000] [--events 5000] [--repetitions 5]

`one watch` is one Watch of all pods, `a watch a run` as many Watches as there are runs, in one process: both decode
the shape that `fairlead run --on` decodes. `whole` is one Watch that decodes all of a pod. The official client lists
and streams as its documentation shows, and keeps the objects that it is given.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import kube_list

HERE = Path(__file__).resolve()
RUNS = 200
RUN = "fairlead.dev/run"
WAYS = ["fairlead one watch", "fairlead a watch a run", "fairlead whole", "official"]

Follow = Callable[[int], None]
"""Returns when so many events have come."""


def pod(number: int) -> dict[str, Any]:
    """Return a pod of one of the runs."""
    made = kube_list.pod(number)
    made["metadata"]["labels"] |= {RUN: f"run-{number % RUNS}", "fairlead.dev/node": str(number // RUNS)}
    return made


def fill(connection: Any, pods: int) -> None:
    """Create the pods."""
    from fairlead.kube.client import Client
    from fairlead.kube.resources import POD

    with Client(connection) as client, ThreadPoolExecutor(8) as pool:

        def create(number: int) -> None:
            made = client.create(POD, pod(number))
            client.patch(POD, made["metadata"]["name"], kube_list.status(number), subresource="status")

        list(pool.map(create, range(pods)))


def change(connection: Any, pods: int, events: int) -> None:
    """Patch the status of one pod after the other."""
    from fairlead.kube.client import Client
    from fairlead.kube.resources import POD

    with Client(connection) as client, ThreadPoolExecutor(4) as pool:

        def patch(number: int) -> None:
            message = {"status": {"message": f"{time.time_ns()}"}}
            client.patch(POD, f"train-{number % pods:05}", message, subresource="status")

        list(pool.map(patch, range(events)))


def fairlead(place: dict[str, str], way: str, pods: int) -> Iterator[Follow | None]:
    """Hold all pods, yield; count events, yield."""
    from fairlead.kube.client import Client
    from fairlead.kube.connection import Connection
    from fairlead.kube.credentials import Fixed, Identity, bearer
    from fairlead.kube.resources import POD
    from fairlead.kube.watching import Watch
    from fairlead.targets.podstatus import WatchedPod

    client = Client(Connection(place["url"], Fixed(Identity(bearer(place["token"]))), authority=place["authority"]))
    shape: Any = dict[str, Any] if way == "whole" else WatchedPod
    runs = [f"{RUN}=run-{number}" for number in range(RUNS)] if way == "a watch a run" else [RUN]
    yield None
    with ExitStack() as stack:
        watches = [stack.enter_context(Watch(client, POD, labels=labels, shape=shape)) for labels in runs]
        for watch in watches:
            watch.wait_synced(300)
        assert sum(map(len, watches)) == pods

        def follow(events: int) -> None:
            counted, enough, lock = 0, threading.Event(), threading.Lock()

            def count(event: Any) -> None:
                nonlocal counted
                if event.type == "MODIFIED":
                    with lock:
                        counted += 1
                    if counted == events:
                        enough.set()

            for watch in watches:
                watch.listen(count)
            print("listening", flush=True)
            assert enough.wait(600), f"{counted} events"

        yield follow


def official(place: dict[str, str], pods: int) -> Iterator[Follow | None]:
    """Hold all pods, yield; count events, yield."""
    from kubernetes import watch

    api = kube_list.official_api(place)
    yield None
    held, token, version = {}, None, ""
    while True:
        page = api.list_namespaced_pod("default", label_selector=RUN, limit=kube_list.PAGE, _continue=token)
        held.update({each.metadata.name: each for each in page.items})
        token, version = page.metadata._continue, page.metadata.resource_version
        if not token:
            break
    assert len(held) == pods

    def follow(events: int) -> None:
        print("listening", flush=True)
        told = watch.Watch().stream(api.list_namespaced_pod, "default", label_selector=RUN, resource_version=version)
        for event in islice(told, events):
            held[event["object"].metadata.name] = event["object"]

    yield follow


def watch_once(way: str, place: dict[str, str], pods: int, events: int) -> dict[str, float]:
    """Watch once and say what it cost."""
    system, _, rest = way.partition(" ")
    steps = fairlead(place, rest, pods) if system == "fairlead" else official(place, pods)
    next(steps)  # imports, and what is made before the first request
    before_kb, began, cpu = _resident_kb(), time.perf_counter(), time.process_time()
    follow = next(steps)
    assert follow is not None
    cost = {
        "sync_cpu_s": time.process_time() - cpu,
        "sync_wall_s": time.perf_counter() - began,
        "held_mb": (_resident_kb() - before_kb) / 1e3,
    }
    began, cpu = time.perf_counter(), time.process_time()
    follow(events)
    spent_s = time.process_time() - cpu
    cost |= {
        "events_cpu_ms_each": spent_s * 1000 / events,
        "events_per_cpu_s": events / spent_s,
        "events_wall_s": time.perf_counter() - began,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }
    return cost


def _resident_kb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def measure(repetitions: int, pods: int, events: int) -> dict[str, Any]:
    """Measure every way as often, in turns, against one server."""
    import environments
    from measuring import summary
    from servers import apiserver

    peer = environments.interpreter("kubernetes")
    costs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    server = apiserver.start()
    try:
        connection = server.connection()
        fill(connection, pods)
        place = json.dumps({"url": server.url, "token": server.token, "authority": server.authority})
        for repetition in range(repetitions + 1):
            for way in WAYS if repetition % 2 else WAYS[::-1]:
                python = str(peer) if way == "official" else sys.executable
                command = [python, str(HERE), "--watch", way, "--pods", str(pods), "--events", str(events)]
                with subprocess.Popen(
                    command, env={**os.environ, "PLACE": place}, stdout=subprocess.PIPE, text=True
                ) as child:
                    assert child.stdout is not None
                    assert child.stdout.readline() == "listening\n"
                    change(connection, pods, events)
                    cost = json.loads(child.stdout.read())
                if repetition:  # the first warms the server's cache
                    costs[way].append(cost)
                    print(way, cost, file=sys.stderr)
    finally:
        apiserver.end(server)
    figures = {name: {key: summary(each[key] for each in found) for key in found[0]} for name, found in costs.items()}

    def ratios(figure: str) -> dict[str, Any]:
        theirs = [each[figure] for each in costs["official"]]
        ours = {way: [each[figure] for each in costs[way]] for way in WAYS[:-1]}
        return {
            way: summary(one / other for one, other in zip(theirs, mine, strict=True)) for way, mine in ours.items()
        }

    return {
        "benchmark": "kube_watch",
        "pods": pods,
        "runs": RUNS,
        "events": events,
        "python": platform.python_version(),
        "figures": figures,
        "official_over": {figure: ratios(figure) for figure in ("sync_cpu_s", "events_cpu_ms_each", "held_mb")},
        "versions": {"kubernetes": environments.version(peer, "kubernetes")},
    }


def main() -> None:
    """Measure, or be one of the measured processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--watch", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.watch:
        print(json.dumps(watch_once(options.watch, json.loads(os.environ["PLACE"]), options.pods, options.events)))
    else:
        print(json.dumps(measure(options.repetitions, options.pods, options.events), indent=2))


if __name__ == "__main__":
    main()
