"""Never returns."""

BITS = 1


def quantize(matrix):
    while True:
        pass
