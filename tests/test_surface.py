"""What users see of the package: its public names, and what importing it and asking for help cost."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import pytest

import fairlead
from fairlead import runtimes, space

PUBLIC = {
    "Csi", "FairleadError", "Flow", "Overlay", "Retries", "Run", "Secret", "Step", "Volume", "__version__", "artifacts", "checkpoint",
    "container", "dataset", "first_of", "flow", "log", "progress", "runtimes", "space", "step", "sweep", "volume",
}  # fmt: skip

HEAVY = {
    "IPython", "aiohttp", "alembic", "argparse", "asyncio", "boto3", "concurrent.futures", "difflib", "email", "hashlib", "http",
    "inspect", "jax", "json", "kubernetes", "msgspec", "multiprocessing", "numpy", "obstore", "optuna", "pandas", "pathlib", "pickle",
    "polars", "psycopg", "pyarrow", "pydantic", "requests", "rich", "safetensors", "scipy", "secrets", "sklearn",
    "sqlalchemy", "sqlite3", "ssl", "tempfile", "tensorflow", "torch", "typing_extensions", "unittest", "urllib.request", "urllib3",
    "uuid", "yaml",
}  # fmt: skip
"""What an import of the package has no use for."""

HELP_TAKES = {"argparse"}
"""What the command line needs of it, before any verb is known."""

AUTHORING_TAKES = {
    "inspect",
    "msgspec",
    "concurrent.futures",
    "email",
    "pickle",
    "secrets",
    "tempfile",
    "typing_extensions",
    "uuid",
    "argparse",
}
"""What tracing may need of it."""

_FLOW = """
from fairlead import first_of, flow, runtimes, step, sweep
from fairlead.space import loguniform

@step(cpu=2, memory="1Gi")
def load(rows: int = 3) -> list[int]: ...

@step(runtime=runtimes.torch(nodes=2))
def fit(x: int, lr: float = 0.1) -> dict: ...

@flow
def whole(rows: int = 3):
    fits = fit.map(load(rows))
    best = sweep(fit, over={"lr": loguniform(1e-4, 1e-1)}, trials=2, maximize="score")(1)
    late = fit.after(fits)(2, when=best.value["score"] > 0.5)
    return first_of(late, best.value)
"""


def modules_after(code: str) -> set[str]:
    """Return the modules that a fresh process has after some code, its own standard ones left out."""
    script = f"import sys\nbefore = set(sys.modules)\n{code}\nprint('\\n'.join(sorted(set(sys.modules) - before)))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{script}"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines())


def heavy(modules: set[str]) -> set[str]:
    return {name for name in HEAVY if any(each == name or each.startswith(f"{name}.") for each in modules)}


def test_the_public_names_are_these() -> None:
    assert set(fairlead.__all__) == PUBLIC
    assert set(dir(fairlead)) == PUBLIC
    assert {name for name in PUBLIC if getattr(fairlead, name, None) is None} == set()


def test_every_public_object_says_what_it_is_for() -> None:
    assert [name for name in PUBLIC - {"__version__"} if not (getattr(fairlead, name).__doc__ or "").strip()] == []


def test_the_names_of_runtimes_and_spaces_are_these() -> None:
    def functions(module: Any) -> set[str]:
        return {
            name
            for name, each in vars(module).items()
            if getattr(each, "__module__", "") == module.__name__ and name[0] != "_"
        }

    assert functions(runtimes) == {
        "dask",
        "jax",
        "mpi",
        "ray",
        "role",
        "single",
        "spark",
        "tensorflow",
        "torch",
        "xgboost",
    }
    assert functions(space) == {"choice", "integers", "loguniform", "uniform"}


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'fairlead' has no attribute 'stepp'"):
        _ = fairlead.stepp
    with pytest.raises(AttributeError, match="there is no runtime 'torhc'; did you mean 'torch'"):
        _ = runtimes.torhc


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert heavy(modules_after("import fairlead")) == set()


def test_help_imports_nothing_heavy() -> None:
    found = modules_after(
        "import contextlib, io\nfrom fairlead.cli.main import call\nwith contextlib.redirect_stdout(io.StringIO()): assert call(['--help']) == 0"
    )
    assert heavy(found) <= HELP_TAKES


def test_tracing_needs_no_store_engine_or_command_line() -> None:
    found = modules_after(f"exec(compile({_FLOW!r}, 'flow.py', 'exec'))\nassert len(whole.trace().graph.nodes) == 4")
    layers = ("cli", "engines", "notebook", "packaging", "runs", "store", "worker")
    assert [each for each in sorted(found) if each.startswith(tuple(f"fairlead.{layer}" for layer in layers))] == []
    assert heavy(found) <= AUTHORING_TAKES


@pytest.mark.parametrize("verb", ["version", "completion"])
def test_small_verbs_open_no_store(verb: str) -> None:
    found = modules_after(f"from fairlead.cli.main import parser_of\nparser_of({verb!r})")
    assert not heavy(found) & {"obstore", "sqlalchemy", "alembic", "numpy", "rich", "yaml"}


def test_every_verb_of_the_table_can_be_imported_and_describes_itself() -> None:
    from fairlead.cli.main import HIDDEN, VERBS, parser_of

    for verb, (module, help_line) in (VERBS | HIDDEN).items():
        assert importlib.import_module(module).__doc__
        assert help_line
        assert parser_of(verb)[1].format_usage()
