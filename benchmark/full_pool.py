"""Performance of heads that are trained on the whole pool, beside those on halves that are audited.

An audited head sees half of the pool, so that the other half are its non-members. What a reader compares with
published figures is a head trained on all of the training set: a few of them, from other initial weights and
in another order of batches each, tried by the metrics of the task on the test records.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from benchmark.blocks import BlockStore
from benchmark.calibration import calibration_records
from benchmark.cell_data import CellData, cell_data, to_device
from benchmark.evaluate_block import performance
from benchmark.plan import Cell
from models.heads import Bank, train_block
from models.quantized_heads import quantize_heads
from models.quantizers import Quantizer
from molecules.progress import SILENT, Progress

#: Heads trained: as many as TDC's leaderboard asks for.
SEEDS = 5
#: Number of the first one, beyond those of any bank.
_FIRST = 1_000_000
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
        bank = _trained(cell, data, progress)
        with progress.stage("whole pool: quantizing", len(missing)) as step:
            for name in missing:
                found[name] = _rows(bank, cell.quantizers[name], data)
                store.save_derived(_KIND, name, found[name], ())
                step(1)
    return pd.concat([found[name].assign(quantizer=name) for name in cell.quantizers], ignore_index=True)


def _trained(cell: Cell, data: CellData, progress: Progress) -> Bank:
    """Train the heads; keep the last epoch of each."""
    everyone, protocol = np.ones((SEEDS, len(data.pool)), dtype=np.bool_), cell.protocol
    with progress.stage("whole pool: training heads", protocol.head.epochs) as step:
        bank = train_block(
            data.kind, data.pool, data.pool_labels, everyone, protocol.head, protocol.seed, _FIRST, step
        )
    return replace(bank, snapshots=bank.snapshots[:, -1:])


def _rows(bank: Bank, quantizer: Quantizer, data: CellData) -> pd.DataFrame:
    data = data.under(quantizer)
    everyone = np.ones((SEEDS, len(data.pool)), dtype=np.bool_)
    records = calibration_records(quantizer.calibration, data.public, data.pool, everyone)
    heads = quantize_heads(bank.snapshots, quantizer, records).heads[:, -1]
    return pd.DataFrame({"run": range(SEEDS), **performance(to_device(heads, data.test.device), data, bank)})
