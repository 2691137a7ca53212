"""The attacks of a cell: signals of every quantizer over all runs, the attacks, and who is exposed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.attack_table import LIRA
from benchmark.cell_data import CellData
from benchmark.evaluate_block import RECORD_BLOCK
from benchmark.privacy.attacks import ATTACKS, Signals
from benchmark.privacy.attacks.signals import TRACE_POINTS, BlockSignals, margins, trace_epochs
from benchmark.privacy.exposure import FEWEST_RUNS, exposures
from benchmark.privacy.panel import attack_all, cross_scored, why_not
from benchmark.quantized_block import QuantizedBlock
from benchmark.tuned_data import Part
from benchmark.workers import Listener, shared_out
from models.heads import Bank, record_losses
from models.quantizers import QUANTIZERS, Quantizer
from molecules.progress import SILENT, Progress

#: The quantizer whose heads are the full-precision shadows.
FULL_PRECISION = "float32"
#: Given a quantizer's name, the runs of a block and what is told of notes, what was read of the block before.
Kept = Callable[[str, range, Listener], BlockSignals | None]


@dataclass(frozen=True, eq=False)
class Found:
    """What attacks found on one quantizer.

    Attributes
    ----------
    figures : DataFrame
        See :func:`benchmark.privacy.panel.attack_all`.
    records : DataFrame
        See :func:`exposed_records`.
    published : Signals
        Of the published heads, which joint releases are attacked by.
    """

    figures: pd.DataFrame
    records: pd.DataFrame
    published: Signals


def traced(bank: Bank) -> Bank:
    """Return a block reduced to what attacks look at: the snapshots of the loss trace, published one last."""
    return bank.keeping(trace_epochs(bank.kept))


def attack_quantizers(
    quantizers: Mapping[str, Quantizer],
    data: CellData,
    blocks: Sequence[Bank],
    progress: Progress = SILENT,
    workers: int = 1,
    kept: Kept = lambda name, runs, listener: None,  # noqa: ARG005
) -> Iterator[tuple[str, Found]]:
    """Yield the name of every quantizer and what attacks found on it.

    Parameters
    ----------
    quantizers : mapping of str to Quantizer
        What is attacked; ``float32``, whose heads are the full-precision shadows, need not be among them.
    data : CellData
        Of the cell.
    blocks : sequence of Bank
        Every block of runs, :func:`traced`.
    workers : int
        Most processes that share the quantizers.
    kept : callable
        Given the name of a quantizer, the runs of a block and what is told of notes, returns what was read of
        it before, or None.
    """
    with progress.stage("attacking", len(quantizers)) as step:
        listener = Listener(step, progress.note)

        def signals(name: str, quantizer: Quantizer, listener: Listener) -> Signals:
            return signals_of(blocks, quantizer, data, lambda runs: kept(name, runs, listener))

        full = signals(FULL_PRECISION, QUANTIZERS[FULL_PRECISION], listener)

        def attack(name: str, listener: Listener) -> Found:
            quantized = name != FULL_PRECISION
            target = signals(name, quantizers[name], listener) if quantized else full
            figures, records = attack_all(target, full, quantized=quantized), exposed_records(target, data)
            listener.advance(1)
            return Found(figures, records, replace(target, trace=None))

        yield from shared_out(attack, list(quantizers), workers, listener)


def signals_of(
    blocks: Sequence[Bank],
    quantizer: Quantizer,
    data: CellData,
    kept: Callable[[range], BlockSignals | None] = lambda runs: None,  # noqa: ARG005
) -> Signals:
    """Return the signals of every run and record of the pool under a quantizer.

    Parameters
    ----------
    blocks : sequence of Bank
        Every block of runs; what is traced are all of its snapshots, the published one last.
    quantizer : Quantizer
        What they are quantized by.
    data : CellData
        Of the cell.
    kept : callable
        Given the runs of a block, returns what was read of it before, or None.
    """
    # written into room that is there: small pieces between what models compute would scatter the memory
    shape, done = data.pool_labels.shape, 0
    margin = np.empty((len(data.members), *shape), dtype=np.float32)
    trace = np.empty((len(data.members), blocks[0].kept, shape[0]), dtype=np.float32)
    for block in blocks:
        runs = slice(done, done := done + len(block.centre))
        found = kept(block.runs)
        if found is None:
            block_signals(
                QuantizedBlock(block, quantizer, data), range(block.kept), (margin[runs], trace[runs])
            )
        else:
            margin[runs], trace[runs] = found
    return Signals(data.kind, margin, trace[:, -1], trace, data.members)


def block_signals(
    models: QuantizedBlock, snapshots: Sequence[int], into: BlockSignals | None = None
) -> BlockSignals:
    """Return what attacks read of one block of runs.

    Parameters
    ----------
    models : QuantizedBlock
        The block under a quantizer.
    snapshots : sequence of int
        Those of the loss trace, the published one last.
    into : BlockSignals or None
        Room for it.
    """
    data, bank = models.data, models.bank
    if into is None:
        runs, (records, targets) = len(bank.centre), data.pool_labels.shape
        margin = np.empty((runs, records, targets), dtype=np.float32)
        into = margin, np.empty((runs, len(snapshots), records), dtype=np.float32)
    centre, spread = (part.to(data.pool.device)[:, None] for part in (bank.centre, bank.spread))
    labels = (data.pool_labels - centre) / spread
    for place, snapshot in enumerate(snapshots):
        said = models.chosen((slice(None), snapshot))
        for start in range(0, len(data.pool), RECORD_BLOCK):
            some = slice(start, start + RECORD_BLOCK)
            outputs, wanted = said(Part.POOL, some), labels[:, some]
            into[1][:, place, some] = record_losses(data.kind, outputs, wanted).float().cpu().numpy()
            if place == len(snapshots) - 1:
                into[0][:, some] = margins(data.kind, outputs.cpu().numpy(), wanted.cpu().numpy())
    return into


def kept_signals_bytes(data: CellData) -> int:
    """Return the bytes of the signals of one quantizer over all runs."""
    records, targets = data.pool_labels.shape
    return 4 * len(data.members) * records * (targets + TRACE_POINTS)


def exposed_records(target: Signals, data: CellData) -> pd.DataFrame:
    """Return how exposed every record of the pool is to matched LiRA.

    Parameters
    ----------
    target : Signals
        Of one quantizer.
    data : CellData
        Of the cell.

    Returns
    -------
    DataFrame
        One row a record: ``record``, its place in the pool; ``smiles``, empty for vectors; what
        :class:`benchmark.privacy.exposure.Exposures` holds, and its labels ``label_0, label_1, ...``. No rows
        where the runs are too few, or their signals cannot be read.
    """
    attack = ATTACKS[LIRA]

    def score(members: NDArray[np.bool_]) -> NDArray[np.float64]:
        signals = replace(target, members=members)
        return cross_scored(attack, signals, signals)

    if target.runs < FEWEST_RUNS or why_not(attack, target, target):
        return pd.DataFrame({"smiles": np.array([], dtype=object)})
    found = exposures(score, target.members)
    labels = data.pool_labels.cpu().numpy()
    columns: dict[str, object] = {
        "record": np.arange(len(labels)),
        "smiles": list(data.smiles) or [""] * len(labels),
        "exposure": found.exposure,
        "exposure_low": found.low,
        "exposure_high": found.high,
        "p_value": found.p_value,
        "score_difference": found.difference,
        "member_runs": found.member_runs,
    }
    return pd.DataFrame(columns | {f"label_{place}": column for place, column in enumerate(labels.T)})
