"""An array of whatever there is."""

import numpy as np

BITS = 1


def quantize(matrix):
    return np.array([[object()]])
