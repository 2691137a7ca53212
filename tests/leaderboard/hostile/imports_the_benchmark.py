"""Takes the board apart from inside."""

from benchmark.execute import measure

BITS = 1


def quantize(matrix):
    return measure(matrix)
