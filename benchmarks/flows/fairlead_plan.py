from fairlead import Overlay, flow, step

APART = {
    "podAntiAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {"labelSelector": {"matchLabels": {"team": "red"}}, "topologyKey": "kubernetes.io/hostname"}
        ]
    }
}


@step(cpu=2, memory="4Gi")
def prepare(last: int, number: int) -> int:
    return last + number


@step(cpu=4, memory="16Gi", gpus="H100:1")
def train(last: int, number: int) -> int:
    return last + number


@step(cpu=8, memory="32Gi", gpus="H100:8")
def train_wide(last: int, number: int) -> int:
    return last + number


@step(cpu=1, memory="1Gi", overlays=[Overlay(kind="Pod", patch={"affinity": APART})])
def serve(last: int, number: int) -> int:
    return last + number


@step(cpu=500, memory="1Gi")
def never(last: int, number: int) -> int:
    return last + number


@step
def join(xs: list[int]) -> int:
    return sum(xs)


@flow
def many(n: int = 10_000):
    last = 0
    for _ in range(max(1, n // 51)):
        work = [prepare, train, train_wide, serve, never]
        last = join([work[each % 5](last, each) for each in range(min(50, n))])
    return last
