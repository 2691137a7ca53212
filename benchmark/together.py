"""Which blocks of runs are trained at once: one after another on processors, many together on a GPU.

Sixteen heads keep a core busy from its cache, and more are slower. A GPU that is given sixteen small heads
waits for their kernels to be launched most of the time, so there as many runs are trained in one go as its
memory holds. What a run draws depends on its number alone, so the same runs come out, block by block.
"""

from collections.abc import Callable, Sequence

from benchmark.memory import Sizes
from models.block_runs import BLOCK_RUNS
from molecules.memory import available_on_gpu

#: Share of the free memory of a GPU that training may take, and most runs at once.
SHARE, MOST = 0.5, 512


def together(blocks: Sequence[range], sizes: Callable[[], Sizes], device: str) -> list[list[range]]:
    """Return blocks in groups that are trained at once.

    Parameters
    ----------
    blocks : sequence of range
        Runs of each, ascending.
    sizes : callable
        Returns those of the cell; asked on a GPU only, for it may take a look at molecules.
    device : str
        Where they are trained.
    """
    most = 1 if device == "cpu" else _most(sizes(), available_on_gpu())
    groups: list[list[range]] = []
    for runs in blocks:
        fits = groups and len(groups[-1]) < most and groups[-1][-1].stop == runs.start
        if fits:
            groups[-1].append(runs)
        else:
            groups.append([runs])
    return groups


def _most(sizes: Sizes, free: int) -> int:
    """Return how many blocks fit."""
    return max(1, min(MOST // BLOCK_RUNS, int(SHARE * free / max(1, sizes.training().device))))
