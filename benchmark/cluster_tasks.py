"""What a task of a cluster does: prepare a cell, measure a block of its runs, or finish it.

A cell is sent as it was planned, so that no task reads raw data; its key is computed again where it arrives,
so that a node with other versions or another device is noticed before it computes anything. Results go
through the cache and the results store, which every node sees.
"""

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmark.cell_data import CellData, cell_data
from benchmark.cluster_progress import Source, Teller, actor_tell, wait_for_told
from benchmark.evaluate import evaluate_runs, refuse_large
from benchmark.execute import Flags, Settings, choose_device, measure_cell
from benchmark.failures import Outcome
from benchmark.plan import Cell
from benchmark.results import CellResult
from models.quantizers.user_file import load_source, sources_of
from molecules.errors import MolmisError
from molecules.progress import SILENT, Progress
from tasks.task import DataOptions, RawRecords, Task


@dataclass(frozen=True)
class Site:
    """What all tasks share.

    Attributes
    ----------
    cache : str
        The user's cache.
    probes : mapping of str to str
        Files that every node must see, with the option of the user that names their folder.
    threads : int
        Of a task.
    """

    cache: str
    probes: Mapping[str, str]
    threads: int

    def unseen(self) -> list[str]:
        """Return the folders that are not seen here, each with the option that names it."""
        return [
            f"{Path(path).parent} ({option})"
            for path, option in self.probes.items()
            if not Path(path).exists()
        ]


@dataclass(frozen=True)
class Parcel:
    """A cell on its way to other machines.

    Attributes
    ----------
    cell : bytes
        The cell, pickled.
    key : str
        Its key.
    sources : sequence of (str, bytes)
        Files of the user's that its quantizers are from.
    site : Site
        What all tasks share.
    """

    cell: bytes
    key: str
    sources: Sequence[tuple[str, bytes]]
    site: Site

    @classmethod
    def of(cls, cell: Cell, site: Site) -> "Parcel":
        """Pack a cell."""
        from ray import cloudpickle

        # without the keys that were computed here, and without what reads the raw data
        task = replace(cell.task, load=_loaded_already, files=None, specify=None)
        packed = cloudpickle.dumps(replace(cell, task=task))
        return cls(packed, cell.key, sources_of(cell.quantizers.values()), site)

    def opened(self) -> Cell:
        """Return the cell.

        Raises
        ------
        MolmisError
            If it would be another one here.
        """
        from ray import cloudpickle

        for source in self.sources:
            load_source(*source)
        cell: Cell = cloudpickle.loads(self.cell)
        if cell.key != self.key:
            raise MolmisError(
                f"the node {socket.gethostname()} would measure something else than was planned: molmis, "
                "torch, RDKit, a library of the quantizers or a file of the encoder is another there; "
                "install the same versions on all nodes"
            )
        return cell


def _loaded_already(task: Task, options: DataOptions) -> RawRecords:
    """Stand in for what loads the records of a task."""
    raise RuntimeError(f"the records of {task.name} ({options}) came with the cell")


def carry_out(parcel: Parcel, source: Source, board: Any, step: str, *arguments: Any) -> Outcome:
    """Carry out one step of a cell on a worker.

    Parameters
    ----------
    parcel : Parcel
        The cell.
    source : Source
        Who the task is where progress is told.
    board : actor of Board
        Who is told.
    step : str
        One of ``STEPS``.
    arguments
        Of the step.
    """
    try:
        return tried(parcel, Teller(source, actor_tell(board)), step, *arguments)
    finally:
        wait_for_told(board)


def tried(parcel: Parcel, progress: Progress, step: str, *arguments: Any) -> Outcome:
    """Carry out one step of a cell, and return what it raises, too; see :func:`carry_out`."""

    def carried_out() -> CellResult | None:
        _settle(parcel.site)
        return STEPS[step](_opened(parcel), progress, *arguments)

    return Outcome.of(carried_out)


def _settle(site: Site) -> None:
    """Make this process one of the site."""
    import torch

    os.environ |= {"MOLMIS_CACHE": site.cache, "OMP_NUM_THREADS": str(site.threads)}
    torch.set_num_threads(site.threads)
    if unseen := site.unseen():
        raise MolmisError(not_shared(socket.gethostname(), unseen))


def not_shared(node: str, unseen: Sequence[str]) -> str:
    """Say which folders a node does not see, and what to do."""
    return (
        f"the node {node} does not see {' and '.join(unseen)}; cache and results must be in folders that all "
        "nodes share under one path: set MOLMIS_CACHE, and give --results (docs/cluster.md)"
    )


#: The cell that this worker was sent last, by its key, and its tensors: the next block is mostly of it, too.
_LAST: dict[str, tuple[Cell, list[CellData]]] = {}


def _opened(parcel: Parcel) -> Cell:
    if parcel.key not in _LAST:
        _LAST.clear()
        _LAST[parcel.key] = parcel.opened(), []
    return _LAST[parcel.key][0]


def _data(cell: Cell, progress: Progress) -> CellData:
    kept = _LAST[cell.key][1]
    if not kept:
        choose_device(cell.device)  # a GPU that is not there is told in one line
        kept.append(cell_data(cell, progress))
    return kept[0]


def _prepare(cell: Cell, progress: Progress, attacked: bool) -> None:
    """Pretrain the encoder and embed the records, where that is not done; nothing of what does not fit."""
    refuse_large(cell, attacked)
    refuse_large(cell, attacked, _data(cell, progress))


def _block(cell: Cell, progress: Progress, first: int, end: int) -> None:
    """Train and evaluate one block of runs."""
    # of embeddings has been told when they were made
    evaluate_runs(cell, _data(cell, SILENT), range(first, end), progress)


def _finish(cell: Cell, progress: Progress, flags: Flags, settings: Settings) -> CellResult:
    """Measure the cell, whose blocks are all there, attack it, and store the result."""
    return measure_cell(cell, flags, settings, progress)


#: What tasks do, by name.
STEPS: Mapping[str, Callable[..., CellResult | None]] = {
    "prepare": _prepare,
    "block": _block,
    "finish": _finish,
}


def look_around(site: Site) -> list[str]:
    """Return the folders that the node of this task does not see."""
    return site.unseen()
