"""Float32 weights as they are: the reference row of every table."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.quantizers.base import (
    FAMILIES,
    QUANTIZERS,
    Quantizer,
    check_weight,
)
from models.quantizers.quantized import Floats, Quantized


@FAMILIES.register("identity")
@dataclass(frozen=True)
class Identity(Quantizer):
    """Keep the weights: ``Q(w) = w``, 32 bits.

    It goes the same way as every quantizer, so that the float32 row of a table is made by the same code. The
    code of a weight is its bit pattern: equal codes are equal weights, and the two zeros differ.

    Relative error on standard normal weights: ``float32`` 0.000.
    """

    formula = "w"
    reference = "none: the full-precision model"
    bits = 32.0

    @property
    def adaptive(self) -> bool:
        """True: every scaling of a matrix is kept."""
        return True

    def quantize(self, weight: Tensor) -> Quantized:
        """Return the bit patterns of ``weight``, shape (..., out, in), as int32, in memory of their own."""
        weight = check_weight(weight)
        codes = weight.clone(memory_format=torch.contiguous_format).view(torch.int32)
        return Floats(codes)


QUANTIZERS.add("float32", Identity())
