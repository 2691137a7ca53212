"""The attacks of a cell: signals of every quantizer over all runs, and the panel of attacks on them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from torch import Tensor

from benchmark.cell_data import CellData, to_device
from benchmark.privacy.attacks import Signals
from benchmark.privacy.attacks.signals import margins, trace_epochs
from benchmark.privacy.panel import attack_all
from models.heads import Bank, Heads, record_losses
from models.quantized_heads import quantize_heads
from models.quantizers import QUANTIZERS, Quantizer
from molecules.progress import SILENT, Progress

#: The quantizer whose heads are the full-precision shadows.
FULL_PRECISION = "float32"


@dataclass(frozen=True, eq=False)
class Traced:
    """A block of runs reduced to what attacks look at: the snapshots of the loss trace.

    Attributes
    ----------
    snapshots : Heads
        Leading axes (runs, P), the published head last.
    centre, spread : Tensor, shape (runs, targets)
        As in :class:`models.heads.Bank`.
    """

    snapshots: Heads
    centre: Tensor
    spread: Tensor

    @classmethod
    def of(cls, bank: Bank) -> "Traced":
        """Keep the snapshots of the trace and drop the others."""
        epochs = trace_epochs(bank.snapshots.weights[0].shape[1])
        return cls(bank.snapshots[:, epochs], bank.centre, bank.spread)


def attack_quantizers(
    quantizers: Mapping[str, Quantizer],
    data: CellData,
    traced: Sequence[Traced],
    progress: Progress = SILENT,
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the name of every quantizer and the figures of all attacks on it.

    Parameters
    ----------
    quantizers : mapping of str to Quantizer
        What is attacked; ``float32``, whose heads are the full-precision shadows, need not be among them.
    data : CellData
        Of the cell.
    traced : sequence of Traced
        Every block of runs.

    Yields
    ------
    str, DataFrame
        See :func:`benchmark.privacy.panel.attack_all`.
    """
    with progress.stage("attacking", len(quantizers)) as step:
        full = signals_of(traced, QUANTIZERS[FULL_PRECISION], data)
        for name, quantizer in quantizers.items():
            quantized = name != FULL_PRECISION
            target = signals_of(traced, quantizer, data) if quantized else full
            yield name, attack_all(target, full, quantized=quantized)
            step(1)


def signals_of(traced: Sequence[Traced], quantizer: Quantizer, data: CellData) -> Signals:
    """Return the signals of every run and record of the pool under a quantizer."""
    margin, trace = [], []
    for block in traced:
        heads = quantize_heads(block.snapshots, quantizer).heads
        points = heads.weights[0].shape[1]
        centre, spread = (part.to(data.pool.device)[:, None] for part in (block.centre, block.spread))
        labels = (data.pool_labels - centre) / spread
        losses = []
        for point in range(points):
            outputs = to_device(heads[:, point], data.pool.device)(data.pool)
            losses.append(record_losses(data.kind, outputs, labels).float().cpu().numpy())
        margin.append(margins(data.kind, outputs.cpu().numpy(), labels.cpu().numpy()))
        trace.append(np.stack(losses, axis=1))
    whole = np.concatenate(trace)
    return Signals(data.kind, np.concatenate(margin), whole[:, -1], whole, data.members)
