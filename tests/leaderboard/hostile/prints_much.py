"""Fills the disk by talking."""

BITS = 1


def quantize(matrix):
    while True:
        print("word " * 10_000)
