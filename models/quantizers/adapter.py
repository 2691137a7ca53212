"""A quantizer from a plain function of one matrix: NumPy in, NumPy out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.quantizers.base import Quantizer, check_weight, source_key
from models.quantizers.quantized import Quantized, Values

#: From a float32 matrix (out, in) to the quantized one, of the same shape, or to levels (L,) and codes.
MatrixFunction = Callable[
    [NDArray[np.float32]], NDArray[np.floating] | tuple[NDArray[np.floating], NDArray[np.integer]]
]


@dataclass(frozen=True)
class MatrixQuantizer(Quantizer):
    """A quantizer that applies a function to every matrix, one after the other.

    The levels are the values that the function returned, in any matrix of the call; a code is an index into
    them, so equal codes are equal weights. Each matrix is charged for the levels that it uses, since they
    follow from no name.

    Parameters
    ----------
    function : callable
        From a float32 matrix (out, in) to the dequantized matrix of the same shape. It gets a copy.
    bits : float
        Nominal bits per weight; the contract checks that no matrix has more than 2^bits distinct values.
    scaled : bool
        Whether the function promises Q(a w) = a Q(w) for a > 0; the contract then checks it.
    excused : tuple of (str, str)
        Checks of the contract that it does not keep, each with the reason.
    """

    function: MatrixFunction = field(repr=False)  # its address is no part of what it is
    bits: float
    scaled: bool = False
    excused: tuple[tuple[str, str], ...] = ()

    formula = "a function of one matrix"
    reference = "given by its author"

    def identity(self) -> str:
        """Return the function's name and a hash of the code it stands in, and the parameters."""
        line = getattr(getattr(self.function, "__code__", None), "co_firstlineno", "")  # of several lambdas
        name = f"{self.function.__module__}.{self.function.__qualname__}:{line}"
        return f"{self!r} of {name} code {source_key(self.function)}"

    @property
    def exceptions(self) -> dict[str, str]:  # type: ignore[override]
        """What ``excused`` says."""
        return dict(self.excused)

    @property
    def adaptive(self) -> bool:
        """What ``scaled`` says."""
        return self.scaled

    def quantize(self, weight: Tensor) -> Quantized:
        """Apply the function to every matrix of ``weight``, shape (..., out, in).

        Raises
        ------
        ValueError
            If the function returns another shape, or values that are not finite.
        """
        weight = check_weight(weight)
        matrices = weight.cpu().numpy().reshape(-1, *weight.shape[-2:])
        values = np.empty_like(matrices)
        for index, matrix in enumerate(matrices):
            result = _values(self.function(matrix.copy()))
            if result.shape != matrix.shape:
                raise ValueError(f"the function returned shape {result.shape} for a matrix {matrix.shape}")
            if not np.isfinite(result).all():
                raise ValueError("the function returned values that are NaN or infinite")
            values[index] = result
        levels, codes = np.unique(values, return_inverse=True)
        kind = np.uint8 if len(levels) <= 256 else np.int32
        return Values(
            torch.from_numpy(codes.astype(kind)).reshape(weight.shape).to(weight.device),
            torch.from_numpy(levels).to(weight.device),
        )


def _values(result: object) -> NDArray[np.float32]:
    """Return what a function gave as weights: an array, or levels and codes."""
    if isinstance(result, tuple) and len(result) == 2:
        levels, codes = (np.asarray(part) for part in result)
        return np.asarray(levels[codes], dtype=np.float32)
    return np.asarray(result, dtype=np.float32)


def from_matrix_function(
    function: MatrixFunction,
    bits: float,
    *,
    scaled: bool = False,
    exceptions: Mapping[str, str] | None = None,
) -> MatrixQuantizer:
    """Return a quantizer of banks ``(..., out, in)`` from a function of one float32 matrix ``(out, in)``.

    Parameters
    ----------
    function : callable
        NumPy in, NumPy out: the dequantized matrix, of the same shape; or a tuple of levels (L,) and codes.
    bits : float
        Nominal bits per weight.
    scaled : bool
        Whether it promises Q(a w) = a Q(w) for a > 0.
    exceptions : mapping of str to str, or None
        Checks of the contract that it does not keep, each with the reason.
    """
    return MatrixQuantizer(function, bits, scaled, tuple((exceptions or {}).items()))
