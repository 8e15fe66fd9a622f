"""Tables and columns of pandas to Arrow and back, only where the way back gives exactly the same.

Two checks say so. Of every column and index level the dtype must be one whose values Arrow holds without
loss, whatever they are. And the first rows are taken there and back, and compared in everything pandas knows:
dtypes, index, names. What fails is left to pickle: columns of mixed objects, names that are not strings or
appear twice, attributes, periods, intervals, an index that knows its frequency.
"""

from __future__ import annotations

import json
from mmap import mmap
from typing import Any

from fairlead.store.formats.protocol import Unfit

_HEAD = 100
"""Rows that are tried: types do not depend on more, and this takes some milliseconds."""

_NAME = b"fairlead.series"
"""The key in the file's schema under which a series keeps its name, as JSON."""


def to_table(value: Any) -> Any:
    """Make an Arrow table of a frame or series, or raise `Unfit`."""
    frame = _to_frame(value)
    _check_labels(frame)
    for level in range(frame.index.nlevels):
        _check_values(frame.index.get_level_values(level))
    for position in range(frame.shape[1]):
        _check_values(frame.iloc[:, position])
    _check_head(value)
    return _convert(value)


def from_table(table: Any, kind: str, memory: mmap | None = None) -> Any:
    """Make the frame or series of an Arrow table.

    Args:
        table: The table.
        kind: ``DataFrame`` or ``Series``.
        memory: The writable, private mapping that the table lies in. Columns of numbers and times without
            gaps become views of it; without it they are views that pandas can't write to.
    """
    # Blocks of one column each are views of the table; consolidated ones would be copies.
    frame = table.to_pandas(split_blocks=True)
    if memory is not None:
        _make_writable(frame, table, memory)
    if kind != "Series":
        return frame
    series = frame.iloc[:, 0]
    series.name = json.loads(table.schema.metadata[_NAME])
    return series


def _make_writable(frame: Any, table: Any, memory: mmap) -> None:
    """Put views that may be written to in place of pyarrow's, so that ``frame.loc[0, "a"] = 1`` works as ever."""
    import numpy as np  # lazy: numpy, 200 ms
    import pandas as pd  # lazy: pandas, 700 ms

    whole = np.frombuffer(memory, np.uint8)
    start = whole.__array_interface__["data"][0]
    for position, dtype in enumerate(frame.dtypes):
        column = table.column(frame.columns[position])
        if isinstance(dtype, pd.DatetimeTZDtype | pd.CategoricalDtype):
            frame.isetitem(position, frame.iloc[:, position].copy())
        elif isinstance(dtype, np.dtype) and dtype.kind in "iufmM" and not column.null_count and column.num_chunks == 1:
            chunk = column.chunk(0)
            first = chunk.buffers()[1].address - start + chunk.offset * dtype.itemsize
            view = whole[first : first + len(chunk) * dtype.itemsize].view(dtype)
            frame.isetitem(position, pd.Series(view, index=frame.index, copy=False))


def _to_frame(value: Any) -> Any:
    return value.to_frame("value") if value.ndim == 1 else value


def _convert(value: Any) -> Any:
    import pyarrow as pa  # lazy: pyarrow, 260 ms

    try:
        table = pa.Table.from_pandas(_to_frame(value))
    except (pa.ArrowException, ValueError, TypeError, NotImplementedError) as error:
        raise Unfit(str(error)) from error
    if value.ndim == 1:
        name = json.dumps(value.name).encode()
        table = table.replace_schema_metadata({**table.schema.metadata, _NAME: name})
    return table


def _check_labels(frame: Any) -> None:
    import pandas as pd  # lazy: pandas, 700 ms

    columns = frame.columns
    if isinstance(columns, pd.MultiIndex) or not columns.is_unique or not set(map(type, columns)) <= {str}:
        raise Unfit("column names are not plain strings that differ")
    if frame.attrs or not frame.flags.allows_duplicate_labels:
        raise Unfit("the frame has attributes or flags")


def _check_values(values: Any) -> None:
    """Refuse what Arrow may change, by the dtype; only columns of Python objects are looked through."""
    import numpy as np  # lazy: numpy, 200 ms
    import pandas as pd  # lazy: pandas, 700 ms

    dtype = values.dtype
    if isinstance(dtype, np.dtype) and dtype.kind == "O":
        if not set(map(type, values)) <= {str, type(None)}:
            raise Unfit("a column of Python objects that are not all strings")
    elif isinstance(dtype, pd.CategoricalDtype):
        _check_values(dtype.categories)
    elif not _is_exact(dtype):
        raise Unfit(f"a column of dtype {dtype}")


def _is_exact(dtype: Any) -> bool:
    import numpy as np  # lazy: numpy, 200 ms
    import pandas as pd  # lazy: pandas, 700 ms

    if isinstance(dtype, np.dtype):
        return dtype.kind in "biufmM" and bool(dtype.isnative)
    if isinstance(dtype, pd.DatetimeTZDtype | pd.StringDtype | pd.ArrowDtype):
        return True
    return bool(pd.api.types.is_extension_array_dtype(dtype) and getattr(dtype, "numpy_dtype", None) is not None)


def _check_head(value: Any) -> None:
    import pandas as pd  # lazy: pandas, 700 ms

    if value.ndim == 1 and type(value.name) not in (str, type(None)):
        raise Unfit("the name of the series is no string")
    head = value.iloc[:_HEAD]
    try:
        back = from_table(_convert(head), type(value).__name__)
        compare: Any = pd.testing.assert_frame_equal if value.ndim == 2 else pd.testing.assert_series_equal
        compare(back, head, check_exact=True, check_index_type="exact" if len(head) else "equiv")
    except (AssertionError, ValueError, TypeError, KeyError, NotImplementedError) as error:
        raise Unfit(f"pandas would not get it back as it is: {error}") from error
    if _dtypes(back) != _dtypes(head):
        raise Unfit("Arrow doesn't keep the type of each column")


def _dtypes(value: Any) -> list[tuple[str, object]]:
    """List every dtype, with what their own comparison passes over (the storage of strings)."""
    frame = _to_frame(value)
    levels = [frame.index.get_level_values(level).dtype for level in range(frame.index.nlevels)]
    return [(repr(dtype), getattr(dtype, "storage", None)) for dtype in [*frame.dtypes, *levels, frame.columns.dtype]]
