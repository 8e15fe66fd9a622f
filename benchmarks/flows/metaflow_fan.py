"""A fan-out over n items and one step that checks what came back."""

from metaflow import FlowSpec, Parameter, step


class Fan(FlowSpec):
    n = Parameter("n", type=int, default=100)

    @step
    def start(self):
        self.items = list(range(self.n))
        self.next(self.square, foreach="items")

    @step
    def square(self):
        self.y = self.input * self.input
        self.next(self.check)

    @step
    def check(self, inputs):
        total = sum(item.y for item in inputs)
        if total != sum(x * x for x in range(self.n)):
            raise ValueError(f"wrong sum {total}")
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Fan()
