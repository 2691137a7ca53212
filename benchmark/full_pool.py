"""Performance of heads that are trained on the whole pool, beside those on halves that are audited.

An audited head sees half of the pool, so that the other half are its non-members. What a reader compares with
published figures is a head trained on all of the training set: a few of them, from other initial weights and
in another order of batches each, tried by the metrics of the task on the test records.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from torch import Tensor

from benchmark.blocks import BlockStore
from benchmark.cell_data import CellData, cell_data
from benchmark.evaluate_block import performance
from benchmark.memory import refuse_beyond_memory, sizes_of
from benchmark.plan import Cell, Protocol
from benchmark.quantized_block import QuantizedBlock
from benchmark.tuned_data import Part
from models.heads import Bank
from models.quantizers import Quantizer
from models.train_bank import TrainedInputs, train_block
from molecules.progress import SILENT, Progress
from tasks.task import Kind

#: Heads trained: as many as TDC's leaderboard asks for.
SEEDS = 5
#: Their numbers, beyond those of any bank.
_RUNS = range(1_000_000, 1_000_000 + SEEDS)
_KIND = "full_pool"


def full_pool(cell: Cell, progress: Progress = SILENT) -> pd.DataFrame:
    """Return how every quantizer of a cell performs on heads trained on the whole pool.

    Returns
    -------
    DataFrame
        One row a quantizer and head: ``quantizer``, ``run`` (from 0 to ``SEEDS - 1``), and the metrics of the
        kind of the task on the test records, as in :func:`benchmark.evaluate_block.evaluate_block`.
    """
    store = BlockStore(cell, progress)
    kept = {name: store.derived(_KIND, name, ()) for name in cell.quantizers}
    found = {name: rows for name, rows in kept.items() if rows is not None}
    missing = [name for name in cell.quantizers if name not in found]
    if missing:
        data = cell_data(cell)
        refuse_beyond_memory(replace(sizes_of(cell, data), runs=SEEDS), cell.quantizers, cell.device)
        with progress.stage("whole pool: training heads", cell.protocol.head.epochs) as step:
            bank = train_on_all(
                data.kind, data.training(Part.POOL), data.pool_labels, cell.protocol, _RUNS, step
            )
        with progress.stage("whole pool: quantizing", len(missing)) as step:
            for name in missing:
                found[name] = _rows(bank, cell.quantizers[name], data)
                store.save_derived(_KIND, name, found[name], ())
                step(1)
    return pd.concat([found[name].assign(quantizer=name) for name in cell.quantizers], ignore_index=True)


def train_on_all(
    kind: Kind,
    inputs: Tensor | TrainedInputs,
    labels: Tensor,
    protocol: Protocol,
    runs: range,
    step: Callable[[int], None],
) -> Bank:
    """Train heads on every record that is given; keep the last epoch of each.

    Parameters
    ----------
    kind : Kind
        What the labels are.
    inputs : Tensor, shape (n, d), or TrainedInputs
        The records.
    labels : Tensor, shape (n, T)
        Their labels.
    protocol : Protocol
        Architecture, training and seed.
    runs : range
        Numbers of the heads, which decide what they draw.
    step : callable
        Called after every epoch.
    """
    everyone = np.ones((len(runs), len(labels)), dtype=np.bool_)
    bank = train_block(kind, inputs, labels, everyone, protocol.head, protocol.seed, runs.start, step)
    return bank.keeping([-1])


def _rows(bank: Bank, quantizer: Quantizer, data: CellData) -> pd.DataFrame:
    everyone = np.ones((SEEDS, len(data.pool)), dtype=np.bool_)
    models = QuantizedBlock(bank, quantizer, data, everyone)
    return pd.DataFrame({"run": range(SEEDS), **performance(models)})
