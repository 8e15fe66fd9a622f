"""Steps with the runtime ``spark`` as applications of the real Spark Operator: a driver, and executors that work for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engines.kubernetes import beside
from engines.kubernetes.queues import admitted_whole, new_queue
from engines.local.driving import Driver, wait_for
from fairlead.cli.main import call
from fairlead.kube.client import Client
from fairlead.runs import contexts
from fairlead.runs.home import home
from fairlead.runs.reporting import read_report
from fairlead.runs.results import flow_result
from fairlead.specs.contexts import Context
from fairlead.store.opened import Store
from fairlead.targets import naming
from servers.cluster import Cluster
from testbed import operators

pytestmark = [pytest.mark.components("spark-operator"), pytest.mark.usefixtures("operator"), pytest.mark.timeout(1200)]

PATIENCE_S = 600.0
operator, image = beside.running(operators.spark), beside.image("spark")
HELPER = """
import socket

LATE_MINUTES = 15

def flight(line: str) -> tuple[str, str, bool]:
    fields = line.split(",")
    delay = fields[8]
    return socket.gethostname(), fields[9], delay not in ("", "NA") and float(delay) > LATE_MINUTES
"""
FLOW = '''
import time
from operator import add

from fairlead import Retries, flow, runtimes, step
from helper import flight

SHARE = {
    "retries": Retries(user=0, infrastructure=0), "cpu": "400m", "memory": "1Gi", "disk": "300Mi", "cache": False,
    "image": "@IMAGE@",
}


@step(runtime=runtimes.spark(executors=2, roles={"driver": runtimes.role(cpu="600m", memory="1200Mi")}), **SHARE)
def late() -> tuple[int, dict[str, int], int]:
    """Count the flights of a year, those of each carrier that were late, and the hosts that did it."""
    from pyspark.sql import SparkSession, functions

    session = SparkSession.builder.getOrCreate()
    context = session.sparkContext
    while context._jsc.sc().getExecutorMemoryStatus().size() < 3:  # the driver is one
        time.sleep(0.5)
    lines = context.textFile("file:///opt/flights/flights.csv", 8).filter(lambda line: not line.startswith("year"))
    flights = lines.map(flight).cache()
    hosts = flights.map(lambda each: each[0]).distinct().collect()
    counted = dict(flights.map(lambda each: (each[1], int(each[2]))).reduceByKey(add).collect())
    table = session.read.csv("file:///opt/flights/flights.csv", header=True, nullValue="NA")
    by_sql = table.where(functions.col("arr_delay").cast("double") > 15).groupBy("carrier").count().collect()
    assert {each["carrier"]: each["count"] for each in by_sql} == {name: n for name, n in counted.items() if n}
    print(f"counted on {sorted(hosts)}", flush=True)
    return flights.count(), counted, len(hosts)


@step(runtime=runtimes.spark(executors=1), **SHARE)
def broken() -> None:
    raise ValueError("no luck")


@step(runtime=runtimes.spark(executors=1), **SHARE)
def endless() -> None:
    from pyspark.sql import SparkSession

    SparkSession.builder.getOrCreate()
    print("begun", flush=True)
    time.sleep(900)


@flow
def counting():
    return late()


@flow
def breaking():
    broken()


@flow
def lasting():
    endless()
'''


@pytest.fixture
def leftovers(operator: Cluster) -> Callable[[str], list[str]]:
    """What a run has left: its applications, and the pods, services and configuration that Spark made for them."""

    def found(run: str) -> list[str]:
        applications = operator.get("sparkapplications", f"--selector={naming.RUN}={run}")["items"]
        made = operator.get("pods,services,configmaps", "--selector=spark-app-selector")["items"]
        return [f"{each['kind']} {each['metadata']['name']}" for each in [*applications, *made]]

    return found


def test_two_executors_count_the_flights_of_a_year_with_the_project_s_functions_and_by_sql(
    operator: Cluster, store: Store, file: Path, leftovers: Callable[[str], list[str]], capsys: Any
) -> None:
    driver = Driver(home(), "run", f"{file}:counting", "-o", "json", store=store)
    try:
        executors = ("pods", f"--selector={naming.RUN}={driver.run},spark-role=executor")
        wait_for(lambda: len(operator.get(*executors)["items"]) == 2, patience_s=PATIENCE_S)
        for pod in operator.get(*executors)["items"]:
            (container,) = pod["spec"]["containers"]
            limits = container["resources"]["limits"]  # Spark's own share, and what else the template has
            assert (limits["cpu"], limits["memory"], limits["ephemeral-storage"]) == ("400m", "1Gi", "314572800")
        assert driver.ended(PATIENCE_S).report.status == "succeeded"
    finally:
        driver.end()
    run = driver.run
    flights, late, hosts = flow_result(store, run)
    assert (flights, len(late), sum(late.values()), late["EV"], hosts) == (336_776, 16, 77_630, 16_028, 2)
    (step,) = read_report(store.backend, run).steps
    (attempt,) = step.attempts
    assert (attempt.status, attempt.rank) == ("succeeded", None)
    assert call(["logs", f"{run}/late/0"]) == 0
    assert "counted on ['" in capsys.readouterr().out
    wait_for(lambda: not leftovers(run), patience_s=PATIENCE_S)


def test_a_queue_admits_the_driver_and_the_executors_together(
    operator: Cluster,
    registered: Context,
    store: Store,
    client: Client,
    file: Path,
    leftovers: Callable[[str], list[str]],
) -> None:
    with new_queue(operator, cpu="600m") as queue:  # the driver alone
        contexts.add(msgspec.structs.replace(registered, queue=queue.name))
        run = admitted_whole(queue, store, client, f"{file}:counting", enough="1400m", patience_s=PATIENCE_S)
        assert flow_result(store, run)[0] == 336_776
        wait_for(lambda: not leftovers(run) and not queue.workloads(), patience_s=PATIENCE_S)


def test_an_error_of_a_step_is_the_step_s_and_its_application_is_taken_away(
    store: Store, file: Path, leftovers: Callable[[str], list[str]], capsys: Any
) -> None:
    assert call(["run", f"{file}:breaking", "--quiet", "-o", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    (attempt,) = report["steps"][0]["attempts"]
    error = attempt["error"]
    assert (attempt["status"], error["type"], error["message"]) == ("failed", "ValueError", "no luck")
    wait_for(lambda: not leftovers(report["run"]), patience_s=PATIENCE_S)


def test_a_run_that_is_cancelled_takes_its_driver_and_executors_with_it(
    store: Store, file: Path, leftovers: Callable[[str], list[str]], capsys: Any
) -> None:
    driver = Driver(home(), "run", f"{file}:lasting", "-o", "json", store=store)
    try:
        logs = ["logs", f"{driver.run}/endless/0"]
        wait_for(lambda: call(logs) == 0 and "begun" in capsys.readouterr().out, patience_s=PATIENCE_S)
        assert call(["cancel", driver.run]) == 0
        assert driver.ended(PATIENCE_S).report.status == "cancelled"
    finally:
        driver.end()
    wait_for(lambda: not leftovers(driver.run), patience_s=PATIENCE_S)
