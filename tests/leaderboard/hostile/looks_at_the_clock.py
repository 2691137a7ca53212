"""Different after a while."""

import time

import numpy as np

BITS = 1
_begun = time.time() % 1.0 + 1.0


def quantize(matrix):
    return np.where(matrix > 0, _begun, -_begun)
