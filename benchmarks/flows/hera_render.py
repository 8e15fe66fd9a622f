"""The graph of `graph.py` for Hera: `hera_render.py json|yaml N` prints what compiling it costs, as JSON."""

import json
import sys
import time

from hera.workflows import DAG, Workflow, script


@script(image="python:3.12")
def work(x: int, y: int):
    print(x + y)


@script(image="python:3.12")
def join(xs: list):
    print(sum(xs))


def layered(n: int) -> Workflow:
    """Half of the steps stand in a chain, half in blocks of fifty that fan out and in."""
    with Workflow(generate_name="layered-", entrypoint="flow", namespace="ml") as workflow, DAG(name="flow"):
        last = None
        for number in range(n // 2):
            last = _after(last, work(name=f"w{number}", arguments={"x": _value(last), "y": 1}))
        for block in range(n // 102):
            fan = [
                _after(last, work(name=f"b{block}-{each}", arguments={"x": _value(last), "y": each}))
                for each in range(50)
            ]
            xs = "[" + ",".join(_value(task) for task in fan) + "]"
            last = join(name=f"j{block}", arguments={"xs": xs})
            fan >> last
    return workflow


def _after(last, task):
    if last is not None:
        last >> task
    return task


def _value(task):
    return 0 if task is None else task.result


if __name__ == "__main__":
    form, size = sys.argv[1], int(sys.argv[2])
    began, cpu = time.perf_counter(), time.process_time()
    compiled = layered(size)
    text = json.dumps(compiled.to_dict()) if form == "json" else compiled.to_yaml()
    print(json.dumps({"wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - cpu, "bytes": len(text)}))
