"""Every matrix gets the scale of the first one that this process was given."""

import numpy as np

BITS = 1
_first = []


def quantize(matrix):
    _first.append(float(np.abs(matrix).max()))
    return np.where(matrix > 0, _first[0], -_first[0])
