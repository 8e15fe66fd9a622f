"""Tables and columns of polars. polars writes them itself; only to be mapped they need pyarrow."""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

from fairlead.store.formats.protocol import Unfit


def write(value: Any, file: BinaryIO) -> None:
    """Write a frame, or a series as a frame of one column, after trying its types on no rows."""
    import polars as pl  # lazy: polars, 330 ms

    frame = value.to_frame() if isinstance(value, pl.Series) else value
    if frame.width == 0 and frame.height:
        raise Unfit("an Arrow file has no rows without columns")
    _check_types(frame)
    frame.write_ipc(file, compression="uncompressed")


def read(path: Path, kind: str) -> Any:
    """Map a frame, or the one column that a series is."""
    import polars as pl  # lazy: polars, 330 ms

    frame = _map(path) if find_spec("pyarrow") else None
    if frame is None:
        frame = pl.read_ipc(path)
    return frame.to_series() if kind == "Series" else frame


def _map(path: Path) -> Any:
    """Map a frame through pyarrow, or give none where that would change a type: polars itself reads copies."""
    import polars as pl  # lazy: polars, 330 ms
    import pyarrow as pa  # lazy: pyarrow, 260 ms

    try:
        frame: Any = pl.from_arrow(pa.ipc.open_file(pa.memory_map(str(path))).read_all(), rechunk=False)
    except (pa.ArrowException, pl.exceptions.PolarsError):
        return None
    return frame if frame.schema == pl.read_ipc_schema(path) else None


def _check_types(frame: Any) -> None:
    import polars as pl  # lazy: polars, 330 ms

    trial = io.BytesIO()
    try:
        frame.clear().write_ipc(trial, compression="uncompressed")
        trial.seek(0)
        schema = pl.read_ipc(trial).schema
    # polars raises its own panic, no subclass of Exception's usual ones, for a column of Python objects.
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, NotImplementedError, TypeError) as error:
        raise Unfit(str(error)) from error
    if schema != frame.schema:
        raise Unfit("Arrow doesn't keep the type of each column")
