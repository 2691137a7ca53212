"""Deeper than the stack."""

import sys

BITS = 1
sys.setrecursionlimit(1 << 30)


class _Deep:
    def __getattr__(self, name):
        return getattr(self, name + "x")


def quantize(matrix):
    return _Deep().anything
