"""A protocol that takes seconds; ``python -m tests.leaderboard.tiny submit ...`` has it in a shell."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from leaderboard.protocol import PROTOCOLS, BoardProtocol
from tasks.catalogue import TASKS, add_task
from tasks.task import Kind, RawRecords, Task

#: Four levels at the quartiles' means, written by somebody who knows nothing of molmis.
SOURCE = '''"""Means of the quarters of a matrix."""
import numpy as np

BITS = 2


def quantize(matrix):
    edges = np.quantile(matrix, [0.25, 0.5, 0.75])
    codes = np.searchsorted(edges, matrix)
    levels = np.array([matrix[codes == k].mean() if (codes == k).any() else 0.0 for k in range(4)])
    return levels[codes].astype(np.float32)
'''
PROTOCOL = BoardProtocol("tiny", ("tiny",), ("ecfp",), (0, 1), 2, ("loss",), ("sign",))


def _load(task: Task, options: object) -> RawRecords:
    smiles = ["C" * i + "O" for i in range(1, 121)]
    labels = np.random.default_rng(0).normal(size=(120, 1))
    return RawRecords(smiles, labels, ("y",), Kind.REGRESSION, "nowhere", "0" * 64)


TASK = Task("tiny", Kind.REGRESSION, ("y",), "tiny", "none", "none", load=_load, records=120)


@contextmanager
def tiny() -> Iterator[BoardProtocol]:
    """Have the protocol, and its task, while the block runs."""
    add_task(TASK)
    PROTOCOLS[PROTOCOL.name] = PROTOCOL
    try:
        yield PROTOCOL
    finally:
        del PROTOCOLS[PROTOCOL.name]
        del TASKS._members[TASK.name]


def source(folder: Path, text: str = SOURCE, name: str = "mine.py") -> Path:
    """Write a quantizer's file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


if __name__ == "__main__":
    from leaderboard.console import main

    with tiny():
        main()
