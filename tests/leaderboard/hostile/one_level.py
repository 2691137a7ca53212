"""Nothing is left of the weights."""

import numpy as np

BITS = 1


def quantize(matrix):
    return np.zeros_like(matrix)
