"""Tables and columns of pandas, polars and pyarrow as Arrow IPC files, uncompressed so that they can be mapped.

Follows https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format. The type of the value is in the
reference; what pandas and polars need besides the columns is in the file, written by their own libraries.
"""

from __future__ import annotations

import mmap
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

from fairlead.specs.values import Ref
from fairlead.store.formats.protocol import Unfit


class Arrow:
    """One format name for the tables of three libraries."""

    name = "arrow"

    def accepts(self, value: Any) -> bool:
        """Say whether this is exactly a table or column class of one of the three."""
        kind = type(value)
        library = kind.__module__.partition(".")[0]
        if kind.__qualname__ not in _KINDS.get(library, ()):
            return False
        return library == "polars" or find_spec("pyarrow") is not None

    def write(self, value: Any, file: BinaryIO) -> None:
        """Write the table, or raise `Unfit` where Arrow would not give it back as it is."""
        library = type(value).__module__.partition(".")[0]
        if library == "polars":
            from fairlead.store.formats import polars_arrow

            polars_arrow.write(value, file)
        elif library == "pandas":
            from fairlead.store.formats import pandas_arrow

            write_table(pandas_arrow.to_table(value), file)
        else:
            write_table(value, file)

    def read(self, path: Path, ref: Ref) -> Any:
        """Map the file, and make the value that it was."""
        library, kind = ref.type.partition(".")[0], ref.type.rpartition(".")[2]
        if library == "polars":
            from fairlead.store.formats import polars_arrow

            return polars_arrow.read(path, kind)
        import pyarrow as pa  # lazy: pyarrow, 260 ms

        if library == "pandas":
            from fairlead.store.formats import pandas_arrow

            # pandas has no read-only frames: what is written to one stays in this process's own pages.
            with path.open("rb") as opened:
                memory = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)
            table = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(memory))).read_all()
            return pandas_arrow.from_table(table, kind, memory)
        file = pa.ipc.open_file(pa.memory_map(str(path)))
        return file.get_batch(0) if kind == "RecordBatch" else file.read_all()


_KINDS = {
    "pandas": ("DataFrame", "Series"),
    "polars": ("DataFrame", "Series"),
    "pyarrow": ("Table", "RecordBatch"),
}


def write_table(table: Any, file: BinaryIO) -> None:
    """Write a pyarrow table or record batch, each of its batches as it is."""
    import pyarrow as pa  # lazy: pyarrow, 260 ms

    try:
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write(table)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        # An IPC file holds one dictionary for each column: chunks that differ in theirs are left to pickle.
        raise Unfit(str(error)) from error


ARROW = Arrow()
