"""The zoo of post-training quantizers: the contract in ``base``, one file a family."""

from models.quantizers.base import QUANTIZERS, Quantizer
from models.quantizers.quantized import Quantized

__all__ = ["QUANTIZERS", "Quantized", "Quantizer"]
