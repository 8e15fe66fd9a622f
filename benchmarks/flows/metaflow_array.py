"""An array of float32 (n MB) handed from one step to the next."""

import numpy as np
from metaflow import FlowSpec, Parameter, step


class Array(FlowSpec):
    n = Parameter("n", type=int, default=200)

    @step
    def start(self):
        self.array = np.random.default_rng(0).random(self.n * 250_000, dtype=np.float32)
        self.next(self.end)

    @step
    def end(self):
        if self.array.size != self.n * 250_000:
            raise ValueError(f"wrong size {self.array.size}")
        print(float(self.array.sum()))


if __name__ == "__main__":
    Array()
