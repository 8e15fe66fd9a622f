"""The store or the API server away while a run goes on: nothing is lost, and nobody's budget of errors pays for it."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import yaml

from engines.kubernetes.fates import PATIENCE_S, attempts, remove, runs
from engines.local.driving import Driver, wait_for
from fairlead.cli.main import call
from fairlead.kube.client import Client
from fairlead.runs import contexts
from fairlead.runs.home import home
from fairlead.runs.reporting import read_report
from fairlead.specs.contexts import Context
from fairlead.store.opened import Store
from servers.cluster import Cluster
from servers.relay import Relay

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(1800)]

STORE_AWAY_S = 60.0
SERVER_AWAY_S = 25.0
FLOW = '''
import time
from fairlead import Retries, checkpoint, flow, step

SMALL = {"cpu": "50m", "memory": "128Mi", "cache": False}

@step(**SMALL, retries=Retries(user=0, infrastructure=0))
def quick() -> int:
    return 1

@step(**SMALL, retries=Retries(user=0, infrastructure=0))
def later(x: int) -> int:
    return x + 1

@step(**SMALL, retries=Retries(user=0, infrastructure=0))
def ticking(seconds: int) -> int:
    """Write a line and a checkpoint a second."""
    folder = checkpoint()
    for tick in range(seconds):
        print(f"tick {tick}", flush=True)
        with folder.save(at=tick) as unfinished:
            (unfinished / "tick").write_text(str(tick))
        time.sleep(1)
    return seconds

@step(**SMALL, retries=Retries(user=0, infrastructure=0))
def speaking(seconds: int) -> int:
    for tick in range(seconds):
        print(f"tick {tick}", flush=True)
        time.sleep(1)
    return seconds

@flow
def outlast(short: int = 20, long: int = 100):
    """Something ends, something begins, and something goes on while the store is away."""
    later(speaking(short))
    speaking(long)
    ticking(15)

@flow
def followed(seconds: int = 15):
    later(speaking(seconds))

@step(**SMALL, retries=Retries(user=2, infrastructure=1, backoff="1s"))
def made() -> int:
    print("made", flush=True)
    return 1

@flow
def refused():
    made()
'''


@pytest.fixture
def store_relay(cluster: Cluster, registered: Context, tmp_path: Path) -> Iterator[Relay]:
    """Put a relay between the store and whoever uses the context: its pods and its commands, and not this process."""
    if not cluster.store_environment:
        pytest.skip("it is not known how the store of this cluster is reached")
    endpoint = urlsplit(cluster.store_environment["AWS_ENDPOINT_URL"])
    assert endpoint.hostname and endpoint.port
    name = f"relayed-{uuid.uuid4().hex[:8]}"
    with Relay((endpoint.hostname, endpoint.port), endpoint.hostname) as relay:
        url = f"{endpoint.scheme}://{endpoint.hostname}:{relay.port}"
        variables = {**cluster.store_environment, "AWS_ENDPOINT_URL": url}
        environment = tmp_path / "relayed.env"
        environment.write_text("".join(f"{key}={value}\n" for key, value in variables.items()))
        metadata = {"name": name, "namespace": cluster.namespace}
        cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": variables})
        contexts.add(msgspec.structs.replace(registered, store_secret=name, store_env=str(environment)))
        try:
            yield relay
        finally:
            cluster.kubectl("delete", "secret", name)


def launch(file: Path, flow: str, capsys: Any) -> str:
    capsys.readouterr()
    assert call(["run", f"{file}:{flow}", "--detach", "-o", "json"]) == 0
    return str(json.loads(capsys.readouterr().out)["run"])


def test_a_store_that_is_away_for_a_minute_costs_nothing(
    store_relay: Relay, client: Client, store: Store, file: Path, capsys: Any
) -> None:
    driver = Driver(home(), "run", f"{file}:outlast", "-o", "json", store=store)
    try:
        run = driver.run
        wait_for(lambda: runs(store, run, "speaking") and runs(store, run, "ticking"), patience_s=PATIENCE_S)
        with store_relay.cut():
            time.sleep(STORE_AWAY_S)
        ended = driver.ended(PATIENCE_S)
        assert (ended.exit_code, ended.report.status) == (0, "succeeded")
        assert {each.name: len(each.attempts) for each in ended.report.steps} == {
            "speaking": 1, "later": 1, "ticking": 1,
        }  # fmt: skip
        capsys.readouterr()
        assert call(["logs", run]) == 0
        said = capsys.readouterr().out
        assert [said.count(f"tick {tick}\n") for tick in (0, 14, 19, 99)] == [3, 3, 2, 1]
        assert said.count("tick ") == 20 + 100 + 15
    finally:
        driver.end()
        remove(client, driver.run)


OBJECTS = re.compile(rb"PUT /\S+/objects/")
"""How the request begins by which a value is stored."""


def test_a_result_that_can_t_be_stored_for_good_is_the_infrastructure_s_and_says_so(
    store_relay: Relay, client: Client, store: Store, file: Path, capsys: Any
) -> None:
    run = launch(file, "refused", capsys)
    try:
        store_relay.denied = OBJECTS
        wait_for(lambda: read_report(store.backend, run).status == "failed", patience_s=PATIENCE_S)
        found = attempts(store, run, "made")
        assert [(each.status, each.infrastructure, each.retry) for each in found] == [
            ("failed", True, True), ("failed", True, False),
        ]  # fmt: skip
        error = found[-1].error
        assert error is not None and error.type == "StoreError"
        for said in ("the result of step 'made' can't be stored", "the store denied it", "check the credentials"):
            assert said in error.message
        call(["get", run])
        assert "the result of step 'made' can't be stored" in capsys.readouterr().out
    finally:
        remove(client, run)


def test_a_result_that_can_t_be_stored_for_a_while_is_made_again(
    store_relay: Relay, client: Client, store: Store, file: Path, capsys: Any
) -> None:
    run = launch(file, "refused", capsys)
    try:
        store_relay.denied = OBJECTS
        wait_for(lambda: attempts(store, run, "made"), patience_s=PATIENCE_S)
        store_relay.denied = None
        wait_for(lambda: read_report(store.backend, run).status == "succeeded", patience_s=PATIENCE_S)
        found = attempts(store, run, "made")
        assert [(each.status, each.infrastructure) for each in found] == [("failed", True), ("succeeded", False)]
    finally:
        remove(client, run)


@pytest.fixture
def server_relay(cluster: Cluster, registered: Context, tmp_path: Path) -> Iterator[Relay]:
    """Put a relay between the API server and the commands of the context."""
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    found = next(each["cluster"] for each in config["clusters"])
    server = urlsplit(found["server"])
    assert server.hostname and server.port
    with Relay((server.hostname, server.port), "127.0.0.1") as relay:
        found |= {"server": f"https://127.0.0.1:{relay.port}", "tls-server-name": server.hostname}
        relayed = tmp_path / "relayed.kubeconfig"
        relayed.write_text(json.dumps(config))
        contexts.add(msgspec.structs.replace(registered, kubeconfig=str(relayed)))
        yield relay


def test_a_client_outlasts_an_api_server_that_is_away(
    server_relay: Relay, client: Client, store: Store, file: Path
) -> None:
    driver = Driver(home(), "run", f"{file}:followed", "-o", "json", store=store)
    try:
        wait_for(lambda: runs(store, driver.run, "speaking"), patience_s=PATIENCE_S)
        with server_relay.cut():
            time.sleep(SERVER_AWAY_S)
            assert driver.process.poll() is None
        ended = driver.ended(PATIENCE_S)
        assert (ended.exit_code, ended.report.status) == (0, "succeeded")
        assert [len(each.attempts) for each in ended.report.steps] == [1, 1]
    finally:
        driver.end()
        remove(client, driver.run)
