"""The three flows for Dagster: `dagster_flows.py chain|fan|array N in_process|multiprocess`."""

import sys
from pathlib import Path

import numpy as np
from dagster import DagsterInstance, DynamicOut, DynamicOutput, JobDefinition, execute_job, job, op
from dagster import build_reconstructable_job as reconstructable

EXECUTORS = {"in_process": {"in_process": {}}, "multiprocess": {"multiprocess": {"max_concurrent": 2}}}


@op
def zero() -> int:
    return 0


@op
def inc(x: int) -> int:
    return x + 1


@op(out=DynamicOut(int), config_schema=int)
def items(context):
    for x in range(context.op_config):
        yield DynamicOutput(x, mapping_key=str(x))


@op
def square(x: int) -> int:
    return x * x


@op(config_schema=int)
def check_chain(context, x: int) -> int:
    if x != context.op_config - 2:
        raise ValueError(f"expected {context.op_config - 2}, got {x}")
    return x


@op(config_schema=int)
def check_fan(context, squares: list) -> int:
    total = sum(squares)
    if total != sum(x * x for x in range(context.op_config)):
        raise ValueError(f"wrong sum {total}")
    return total


@op(config_schema=int)
def make(context) -> np.ndarray:
    return np.random.default_rng(0).random(context.op_config * 250_000, dtype=np.float32)


@op(config_schema=int)
def check_array(context, array: np.ndarray) -> float:
    if array.size != context.op_config * 250_000:
        raise ValueError(f"wrong size {array.size}")
    return float(array.sum())


def build(kind: str, n: int) -> JobDefinition:
    """The job of one flow; the processes of the multiprocess executor call this too."""

    @job
    def chain():
        x = zero()
        for _ in range(n - 2):
            x = inc(x)
        check_chain.configured(n, name="check")(x)

    @job
    def fan():
        check_fan.configured(n, name="check")(items.configured(n, name="numbers")().map(square).collect())

    @job
    def array():
        check_array.configured(n, name="check")(make.configured(n, name="made")())

    return {"chain": chain, "fan": fan, "array": array}[kind]


if __name__ == "__main__":
    kind, size, executor = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    file = Path(__file__)
    pipeline = reconstructable(file.stem, "build", (kind, size), reconstructor_working_directory=str(file.parent))
    config = {"execution": {"config": EXECUTORS[executor]}}
    with execute_job(pipeline, DagsterInstance.get(), run_config=config) as result:
        sys.exit(not result.success)
