"""A quantizer from a plain function of one matrix: NumPy in, NumPy out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.quantizers.base import Quantizer, check_weight, source_key
from models.quantizers.quantized import Codebook, Quantized, Values, code_dtype

#: From a float32 matrix (out, in) to the quantized one, of the same shape; or to its levels and codes.
MatrixFunction = Callable[
    [NDArray[np.float32]], NDArray[np.float32] | tuple[NDArray[np.float32], NDArray[np.integer[Any]]]
]


@dataclass(frozen=True)
class MatrixQuantizer(Quantizer):
    """A quantizer that applies a function to every matrix, one after the other.

    A function may return the quantized matrix: the levels are then the values that it returned, in any
    matrix of the call, and a code is an index into them, so equal codes are equal weights. Or it returns
    ``(levels, codes)``: each matrix has levels of its own then, and a snapshot whose codes are those of
    another is the same candidate. Either way each matrix is charged for the levels that it uses, since they
    follow from no name.

    Parameters
    ----------
    function : callable
        From a float32 matrix (out, in) to the dequantized matrix of the same shape, or to levels (L,) and
        integer codes (out, in) from 0 to L - 1. It gets a copy.
    bits : float
        Nominal bits per weight; the contract checks that no matrix has more than 2^bits distinct values.
    scaled : bool
        Whether the function promises Q(a w) = a Q(w) for a > 0; the contract then checks it.
    """

    function: MatrixFunction = field(repr=False)  # its address is no part of what it is
    bits: float
    scaled: bool = False

    formula = "a function of one matrix"
    reference = "given by its author"

    def identity(self) -> str:
        """Return the function's name and a hash of the code it stands in, and the parameters."""
        line = getattr(getattr(self.function, "__code__", None), "co_firstlineno", "")  # of several lambdas
        name = f"{self.function.__module__}.{self.function.__qualname__}:{line}"
        return f"{self!r} of {name} code {source_key(self.function)}"

    @property
    def adaptive(self) -> bool:
        """What ``scaled`` says."""
        return self.scaled

    def quantize(self, weight: Tensor) -> Quantized:
        """Apply the function to every matrix of ``weight``, shape (..., out, in).

        Raises
        ------
        ValueError
            If the function returns another shape, values that are not finite, or codes without a level.
        """
        weight = check_weight(weight)
        matrices = weight.cpu().numpy().reshape(-1, *weight.shape[-2:])
        results = [self.function(matrix.copy()) for matrix in matrices]
        coded = [result for result in results if isinstance(result, tuple)]
        if coded and len(coded) < len(results):
            raise ValueError(
                "the function returned levels and codes for some matrices and an array for others"
            )
        return from_codes(coded, weight) if coded else from_values(results, weight)


def from_values(results: Sequence[object], weight: Tensor) -> Values:
    """Return the matrices that a function returned, as values: the levels are those that occur.

    Parameters
    ----------
    results : sequence of array, each of shape (out, in)
        One for each matrix of ``weight``.
    weight : Tensor of float32, shape (..., out, in)
        What was quantized.

    Raises
    ------
    ValueError
        If one has another shape, or holds values that are not finite.
    """
    shape = weight.shape[-2:]
    values = np.empty((len(results), *shape), dtype=np.float32)
    for index, result in enumerate(results):
        matrix = np.asarray(result, dtype=np.float32)
        if matrix.shape != shape:
            raise ValueError(f"the function returned shape {matrix.shape} for a matrix {tuple(shape)}")
        if not np.isfinite(matrix).all():
            raise ValueError("the function returned values that are NaN or infinite")
        values[index] = matrix
    levels, codes = np.unique(values, return_inverse=True)
    return Values(_codes(codes, len(levels), weight), torch.from_numpy(levels).to(weight.device))


def from_codes(results: Sequence[tuple[object, ...]], weight: Tensor) -> Codebook:
    """Return the levels and codes that a function returned: levels ascending, each once, the last repeated.

    Parameters
    ----------
    results : sequence of (levels, codes), shapes (L,) and (out, in)
        One for each matrix of ``weight``; at least one.
    weight : Tensor of float32, shape (..., out, in)
        What was quantized.

    Raises
    ------
    ValueError
        If they do not belong together, or to such a matrix.
    """
    found = [_levels_and_codes(result, tuple(weight.shape[-2:])) for result in results]
    count = max(len(levels) for levels, _ in found)
    levels = np.stack([np.pad(own, (0, count - len(own)), mode="edge") for own, _ in found])
    codes = np.stack([own for _, own in found])
    by_matrix = torch.from_numpy(levels).reshape(*weight.shape[:-2], count)
    return Codebook(_codes(codes, count, weight), by_matrix.to(weight.device))


def _levels_and_codes(
    result: tuple[object, ...], shape: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return levels in ascending order, each once, and the codes that point at them."""
    if len(result) != 2:
        raise ValueError(f"the function returned {len(result)} things; give an array, or (levels, codes)")
    levels, codes = np.asarray(result[0], dtype=np.float32), np.asarray(result[1])
    if levels.ndim != 1 or not len(levels) or not np.isfinite(levels).all():
        raise ValueError(f"levels must be finite numbers in one row, not of shape {levels.shape}")
    if not np.issubdtype(codes.dtype, np.integer):
        raise ValueError(f"codes must be integers, not {codes.dtype}; return (levels, codes) in this order")
    if codes.shape != shape:
        raise ValueError(f"the function returned codes of shape {codes.shape} for a matrix {shape}")
    if codes.min() < 0 or codes.max() >= len(levels):
        raise ValueError(f"codes from {codes.min()} to {codes.max()} for {len(levels)} levels")
    ascending, places = np.unique(levels, return_inverse=True)
    return ascending, places[codes.astype(np.int64)]


def _codes(codes: NDArray[np.generic], count: int, weight: Tensor) -> Tensor:
    """Return codes in the smallest integers, in the shape and on the device of the weights."""
    return torch.from_numpy(codes).reshape(weight.shape).to(weight.device, code_dtype(count))


def from_matrix_function(function: MatrixFunction, bits: float, *, scaled: bool = False) -> MatrixQuantizer:
    """Return a quantizer of banks ``(..., out, in)`` from a function of one float32 matrix ``(out, in)``.

    Parameters
    ----------
    function : callable
        NumPy in, NumPy out: the dequantized matrix, of the same shape; or its levels and codes.
    bits : float
        Nominal bits per weight.
    scaled : bool
        Whether it promises Q(a w) = a Q(w) for a > 0.
    """
    return MatrixQuantizer(function, bits, scaled)
