"""Four terabytes, at no cost to itself."""

import numpy as np

BITS = 1


def quantize(matrix):
    return np.broadcast_to(np.float32(1), (1_000_000, 1_000_000))
