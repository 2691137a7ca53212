"""The same whatever the weights."""

import numpy as np

BITS = 1


def quantize(matrix):
    return np.where(np.arange(matrix.size).reshape(matrix.shape) % 2, 1.0, -1.0)
