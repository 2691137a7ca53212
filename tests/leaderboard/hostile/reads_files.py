"""Reads what is not its own."""

BITS = 1


def quantize(matrix):
    with open("/etc/passwd") as stream:
        raise ValueError(stream.read())
