"""Weights that are no numbers."""

import numpy as np

BITS = 1


def quantize(matrix):
    return np.where(matrix > 0, np.inf, np.nan)
