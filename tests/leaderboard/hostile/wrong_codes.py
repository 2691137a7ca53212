"""Codes that point before the first level."""

import numpy as np

BITS = 1


def quantize(matrix):
    return np.array([-1.0, 1.0]), np.where(matrix > 0, 1, -2)
