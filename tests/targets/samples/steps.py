"""What the samples say, as steps: as far as a step has a word for it."""

from __future__ import annotations

from fairlead import Retries, first_of, flow, runtimes, step, sweep
from fairlead.space import uniform
from fairlead.specs.steps import Volume


@step(runtime=runtimes.torch(nodes=2))
def pytorch() -> int:
    return 1


@step(runtime=runtimes.torch(nodes=2, nodes_min=1), retries=Retries(infrastructure=100))
def elastic() -> int:
    return 1


@step(
    runtime=runtimes.tensorflow(nodes=2),
    gpus="A100:1",
    volumes=[Volume(name="training", path="/train", claim="strategy-volume")],
)
def strategy() -> int:
    return 1


@step(runtime=runtimes.jax(nodes=2))
def jax() -> int:
    return 1


@step(runtime=runtimes.xgboost(nodes=3))
def iris() -> int:
    return 1


@step(runtime=runtimes.mpi(nodes=2), cpu=2, memory="4Gi")
def horovod() -> int:
    return 1


@step(runtime=runtimes.mpi(nodes=2), cpu=1, memory="1Gi")
def pi() -> int:
    return 1


@step(runtime=runtimes.mpi(nodes=2), gpus="V100:1")
def benchmarks() -> int:
    return 1


@step(runtime=runtimes.torch(nodes=3))
def multi_node() -> int:
    return 1


@step(runtime=runtimes.torch(nodes=4), cpu=2, memory="4Gi")
def together() -> int:
    return 1


@step(runtime=runtimes.torch(nodes=3), queue="training-queue", cpu=4, memory="8Gi")
def queued() -> int:
    return 1


@step(runtime=runtimes.torch(nodes=4))
def mnist() -> int:
    return 1


@step(runtime=runtimes.torch(nodes=4), queue="user-queue", cpu=1, memory="200Mi")
def in_a_rack() -> int:
    return 1


@step(runtime=runtimes.torch(nodes=3), queue="user-queue", cpu=1, memory="200Mi")
def admitted() -> int:
    return 1


@step(runtime=runtimes.torch(nodes=40), queue="tas-user-queue", cpu=1, memory="200Mi")
def near() -> int:
    return 1


@step(runtime=runtimes.ray(workers=1, roles={"head": runtimes.role(cpu=1, memory="5Gi")}), cpu=1)
def counting() -> int:
    return 1


@step(runtime=runtimes.ray(workers=1, roles={"head": runtimes.role(cpu=1, memory="5Gi")}), cpu=1, memory="1Gi")
def shut_down() -> int:
    return 1


@step(runtime=runtimes.ray(workers=1), queue="user-queue")
def ray_queued() -> int:
    return 1


@step(runtime=runtimes.spark(executors=1), image="spark:4", memory="854Mi", cpu=1)
def spark_pi() -> int:
    return 1


@step(
    runtime=runtimes.spark(executors=1, roles={"driver": runtimes.role(cpu=1, memory="854Mi")}),
    image="spark:4",
    memory="1707Mi",
    cpu="1500m",
)
def spark_by_templates() -> int:
    return 1


@step(runtime=runtimes.spark(executors=2), image="spark:4.0.0", memory="1707Mi", queue="user-queue", cpu=1)
def spark_queued() -> int:
    return 1


@step(runtime=runtimes.dask(workers=2))
def dask() -> int:
    return 1


@step(runtime=runtimes.dask(workers=2), queue="user-queue", cpu=3)
def dask_queued() -> int:
    return 1


@step(gpus="A100-40GB-MIG-1g.5gb:1")
def slice() -> int:
    return 1


@step(gpus="A100:1")
def card() -> int:
    return 1


@flow
def steps():
    ranked = [pytorch(), elastic(), strategy(), jax(), iris(), horovod(), pi(), benchmarks()]
    trained = [multi_node(), together(), queued(), mnist(), in_a_rack(), admitted(), near()]
    clusters = [
        counting(),
        shut_down(),
        ray_queued(),
        spark_pi(),
        spark_by_templates(),
        spark_queued(),
        dask(),
        dask_queued(),
    ]
    return [*ranked, *trained, *clusters, slice(), card()]


# Sweeps --------------------------------------------------------------------------------------


@step(cpu="500m", memory="1Gi")
def fit(lr: float, momentum: float) -> None:
    return None


RATES, MOMENTA = (0.01, 0.05), (0.5, 0.9)
random = sweep(
    fit, over={"lr": uniform(*RATES), "momentum": uniform(*MOMENTA)}, minimize="loss", sampler="random", trials=12,
    parallel=3, name="random",
)  # fmt: skip
grid = sweep(
    fit, over={"lr": uniform(*RATES, step=0.005), "momentum": uniform(*MOMENTA, step=0.1)}, minimize="loss",
    sampler="grid", trials=12, parallel=3, name="grid",
)  # fmt: skip
stopping = sweep(
    fit, over={"lr": uniform(*RATES), "momentum": uniform(*MOMENTA)}, minimize="loss", sampler="random", trials=15,
    parallel=2, pruner="median", name="stopping",
)  # fmt: skip


@flow
def random_search() -> None:
    random()


@flow
def grid_search() -> None:
    grid()


@flow
def stopping_search() -> None:
    stopping()


# Flows ---------------------------------------------------------------------------------------


@step
def echo(message: str) -> str:
    return message


@flow
def diamond() -> str:
    a = echo("A")
    b, c = echo.after(a)("B"), echo.after(a)("C")
    return echo.after(b, c)("D")


@step(name="flip-coin")
def flip_coin() -> str:
    return "heads"


@step
def heads() -> str:
    return "heads"


@step
def tails() -> str:
    return "tails"


@flow
def coin() -> str:
    side = flip_coin()
    return first_of(heads.options(when=side == "heads")(), tails.options(when=side == "tails")())


@step(name="print-message")
def print_message(message: str) -> str:
    return message


@flow
def loops() -> str:
    a = print_message("A")
    b = print_message.after(a).map(["foo", "bar", "baz"])
    return print_message.after(b)("C")


@step(name="retry-backoff", retries=Retries(user=10, infrastructure=0, backoff="1s", factor=2.0, backoff_max="5s"))
def retry_backoff() -> None:
    return None


@flow
def retrying() -> None:
    retry_backoff()


@step(timeout=10)
def sleep() -> None:
    return None


@flow
def sleeping() -> None:
    sleep()


@step(name="intentional-fail")
def intentional_fail() -> None:
    return None


@flow
def failing() -> None:
    intentional_fail()


WORKDIR = Volume(name="workdir", path="/mnt/vol", claim="my-existing-volume")


@step(name="append-to-accesslog", volumes=[WORKDIR])
def append_to_accesslog() -> None:
    return None


@step(name="print-accesslog", volumes=[WORKDIR])
def print_accesslog() -> None:
    return None


@flow
def volumes() -> None:
    print_accesslog.after(append_to_accesslog())()


@step(name="hello-world")
def hello_world() -> None:
    return None


@flow
def hello() -> None:
    hello_world()


@step(retries=Retries(user=1, infrastructure=0))
def retry_me() -> None:
    return None


@flow
def tried_again() -> None:
    hello_world.after(retry_me())()


@step
def create_file(path: str) -> None:
    return None


@step
def check_file(path: str) -> str:
    return "yes"


@flow
def guarded(path: str = "README.md") -> None:
    exists = check_file.after(create_file(path))(path)
    hello_world.options(when=exists == "yes")()


@step
def report(platform: str) -> str:
    return platform


@step
def validate(urls: list[str]) -> None:
    return None


@flow
def platforms() -> None:
    urls = report.map(["linux", "mac", "windows"])
    validate(urls)
    echo.map(urls)
