"""Tries to have its text run where it is shown."""

BITS = 1


def quantize(matrix):
    raise ValueError("\x1b[2J\x1b]0;owned\x07\n\n\u202eerror: none" + "x" * 10_000)
