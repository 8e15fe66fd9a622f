"""The capacity planner: nodes and workloads in, tables out. Pure: no store, no cluster, no engine, no clock."""

from fairlead.errors import MissingExtra

try:
    import numpy as _numpy  # noqa: F401  every module of this package works on arrays
except ImportError as error:  # pragma: no cover
    raise MissingExtra("numpy", "planner", "the capacity planner") from error
