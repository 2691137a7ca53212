"""What quantizers have in common that call a library of the extra ``[quant]``: bitsandbytes, torchao or hqq.

Only what the zoo has no formula of its own for. A library is imported when a quantizer calls it, and not
before; where it is not installed, its rows are not registered, and asking for one says what is missing. What
a row does may change with its library, so the library's version is part of what figures depend on.
"""

import importlib
import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from models.quantizers.base import QUANTIZERS, Quantizer
from models.quantizers.blocks import Blocks
from molecules.errors import MolmisError
from molecules.registry import Registry


def require(quantizer: Quantizer | type[Quantizer], name: str) -> None:
    """Raise ``MolmisError`` where the library that a quantizer or a family calls is not installed."""
    library = quantizer.library
    if library is not None and importlib.util.find_spec(library) is None:
        raise MolmisError(
            f"the quantizer {name!r} calls the library {library}, which is not installed; "
            "install it: pip install 'molmis[quant]'"
        )


class LibraryQuantizer(Quantizer):
    """A quantizer that calls a library."""

    library: ClassVar[str]

    def load(self, module: str) -> Any:
        """Return a module of the library.

        Raises
        ------
        MolmisError
            If the library is not installed.
        """
        require(self, repr(self))
        with _quietly():
            return importlib.import_module(f"{self.library}.{module}")


@contextmanager
def _quietly() -> Iterator[None]:
    """Hold back warnings in the log: libraries tell there of kernels for GPUs that they do not find."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def ascending(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return different values in ascending order, both zeros as one, and the place of every value in them."""
    levels, places = torch.unique(values + 0.0, return_inverse=True)
    return levels, places


def filled(weight: Tensor, size: int) -> tuple[Blocks, Tensor]:
    """Return groups of n <= ``size`` weights, (..., out, C, n), and the same with zeros up to ``size``."""
    blocks = Blocks.of(weight, size)
    missing = size - blocks.values.shape[-1]
    return blocks, pad(blocks.values, (0, missing)).contiguous()


#: Every row that needs a library, by name, whether the library is installed or not.
ROWS: Registry[LibraryQuantizer] = Registry("quantizer of a library", "models.quantizers")


def offer(name: str, quantizer: LibraryQuantizer) -> None:
    """Register a row; where its library is not installed, only among those that could be had."""
    ROWS.add(name, quantizer)
    if importlib.util.find_spec(quantizer.library) is not None:
        QUANTIZERS.add(name, quantizer)
