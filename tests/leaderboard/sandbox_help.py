"""What the tests of the sandbox share."""

import os
from pathlib import Path

import pytest

from leaderboard.sandbox import Containment
from leaderboard.sandbox.containment import bubblewrap

#: Both containments; bubblewrap is left out where it does not work, with the reason.
BOTH = [
    Containment.LIMITS,
    pytest.param(
        Containment.BUBBLEWRAP,
        marks=pytest.mark.skipif(not bubblewrap().path, reason=f"no bubblewrap here: {bubblewrap().reason}"),
    ),
]

#: The example of docs/extending.md.
TERCILES = """
import numpy as np

BITS = 1.585
NAME = "terciles"
SCALED = True


def quantize(matrix):
    thirds = np.array_split(np.argsort(matrix, axis=None, kind="stable"), 3)
    codes = np.empty(matrix.size, dtype=np.uint8)
    for code, third in enumerate(thirds):
        codes[third] = code
    flat = matrix.reshape(-1)
    levels = [flat[third].mean(dtype=np.float64) if len(third) else 0.0 for third in thirds]
    return np.array(levels), codes.reshape(matrix.shape)
"""


def written(folder: Path, text: str, name: str = "mine.py") -> Path:
    """Return a file with that text."""
    path = folder / name
    path.write_text(text)
    return path


def children() -> set[int]:
    """Return the processes that this one has started and that still run."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended since
        if int(fields[1]) == os.getpid() and fields[0] != "Z":
            found.add(int(path.parent.name))
    return found
