"""Takes down everything that it could answer with."""

import os

BITS = 1


def quantize(matrix):
    os.closerange(0, 64)
    return matrix
