"""Different each time."""

import numpy as np

BITS = 1


def quantize(matrix):
    return np.random.default_rng().choice([-1.0, 1.0], matrix.shape)
