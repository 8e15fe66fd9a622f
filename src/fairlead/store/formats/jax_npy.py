"""JAX arrays as ``.npy`` files. They come back on the default device, whatever they were spread over."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

from fairlead.errors import FairleadError
from fairlead.specs.values import Ref
from fairlead.store.formats.npy import NPY, read_array, write_array


class JaxNpy:
    """Arrays of the types that NumPy has too; bfloat16 and weakly typed ones are left to pickle."""

    name = "jax"

    def accepts(self, value: Any) -> bool:
        """Say whether the array is strongly typed, of a NumPy type, and within reach of this process."""
        if value.weak_type or not value.is_fully_addressable:
            return False
        import numpy as np  # lazy: numpy, 200 ms

        return NPY.accepts(np.empty(0, value.dtype))

    def write(self, value: Any, file: BinaryIO) -> None:
        """Fetch the array from its devices, and write it."""
        import numpy as np  # lazy: numpy, 200 ms

        write_array(np.asarray(value), file)

    def read(self, path: Path, ref: Ref) -> Any:
        """Put the array on the default device."""
        import jax.numpy as jnp  # lazy: jax, 1500 ms

        return as_jax(read_array(path), jnp)


def as_jax(array: Any, jnp: Any) -> Any:
    """Make a JAX array of the same type, or say why this process can't."""
    import warnings

    with warnings.catch_warnings():
        # JAX only warns when it halves the precision; that is an error here, raised below.
        warnings.simplefilter("ignore")
        made = jnp.asarray(array)
    if made.dtype != array.dtype:
        raise FairleadError(
            f"cannot load a JAX array of {array.dtype} in this process",
            why=f"JAX is set to 32 bits here, and would make it {made.dtype}",
            next='set JAX_ENABLE_X64=1, or jax.config.update("jax_enable_x64", True)',
        )
    return made


JAX_NPY = JaxNpy()
