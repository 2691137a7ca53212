"""More memory than there is."""

BITS = 1
_kept = []


def quantize(matrix):
    while True:
        _kept.append(bytearray(1 << 26))
