"""Print the source of a Metaflow chain of n steps: there a step is a method, so that n methods must be written out."""

import sys

HEAD = """\
from metaflow import FlowSpec, step


class Chain(FlowSpec):
    @step
    def start(self):
        self.x = 1
        self.next(self.{first})
"""

STEP = """
    @step
    def s{index}(self):
        self.x += 1
        self.next(self.{after})
"""

TAIL = """
    @step
    def end(self):
        if self.x != {expected}:
            raise ValueError(f"expected {expected}, got {{self.x}}")


if __name__ == "__main__":
    Chain()
"""


def source(n: int) -> str:
    names = [f"s{index}" for index in range(n - 2)] + ["end"]
    steps = [STEP.format(index=index, after=after) for index, after in enumerate(names[1:])]
    return HEAD.format(first=names[0]) + "".join(steps) + TAIL.format(expected=n - 1)


if __name__ == "__main__":
    print(source(int(sys.argv[1])), end="")
