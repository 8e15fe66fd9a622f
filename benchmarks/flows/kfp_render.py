"""The graph of `graph.py` for Kubeflow Pipelines: `kfp_render.py N` prints what compiling it to YAML costs, as JSON.

A component can't take a list of what others returned, so that a join takes the order of its fifty, and one number.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from kfp import compiler, dsl

component = dsl.component(base_image="python:3.12", install_kfp_package=False)


@component
def work(x: int, y: int) -> int:
    return x + y


@component
def join(x: int) -> int:
    return x


def layered(n: int) -> None:
    """Half of the steps stand in a chain, half in blocks of fifty that fan out and in."""
    last = 0
    for _ in range(n // 2):
        last = work(x=last, y=1).output
    for _ in range(n // 102):
        fan = [work(x=last, y=each) for each in range(50)]
        last = join(x=fan[0].output).after(*fan[1:]).output


if __name__ == "__main__":
    size = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "layered.yaml"
        began, cpu = time.perf_counter(), time.process_time()

        @dsl.pipeline(name="layered")
        def pipeline():
            layered(size)

        compiler.Compiler().compile(pipeline, str(package))
        cost = {"wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}
        print(json.dumps(cost | {"bytes": package.stat().st_size}))
