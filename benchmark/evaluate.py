"""One cell: embeddings, bank of runs, and every quantizer over every run.

The result is one row per quantizer and run; tables, intervals and figures are functions of those rows.
What is finished is kept at once (a block of trained runs, the rows of one quantizer over one block), so that
a stopped cell goes on where it was and ends in the same rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.blocks import BlockStore, Evaluation
from benchmark.metrics import METRICS, scored_targets
from benchmark.plan import Cell
from benchmark.privacy.gap_moments import GapMoments
from benchmark.privacy.indicator import RunRate, run_rate
from models.encoders.base import embed
from models.heads import Bank, Heads, record_losses, train_block
from models.quantized_heads import QuantizedHeads, quantize_heads
from models.quantizers import Quantizer
from molecules.errors import TooFewRecordsError
from molecules.progress import SILENT, Progress
from molecules.splits import member_halves, split
from tasks.task import Kind

#: Held-out records evaluated at once: with the snapshots of a run this stays inside a few tens of MB.
RECORD_BLOCK = 2048


@dataclass(frozen=True)
class CellData:
    """The tensors of a cell.

    Attributes
    ----------
    kind : Kind
        Classification or regression.
    pool, pool_labels : Tensor, shapes (N, d) and (N, T)
        Records that runs draw their members from; labels NaN where missing.
    test, test_labels : Tensor, shapes (M, d) and (M, T)
        Records held apart for performance; never used as non-members.
    members : ndarray of bool, shape (runs, N)
        Which half of the pool each run is trained on.
    """

    kind: Kind
    pool: Tensor
    pool_labels: Tensor
    test: Tensor
    test_labels: Tensor
    members: NDArray[np.bool_]


def cell_data(cell: Cell, progress: Progress = SILENT) -> CellData:
    """Hold the test set of a cell apart, embed the records, and draw the halves.

    Raises
    ------
    TooFewRecordsError
        If no label can be scored on the test set, because it holds one class or one value only.
    """
    records, protocol = cell.records, cell.protocol
    pool, test = split(protocol.split, records.smiles, protocol.test_share, protocol.seed)
    if not scored_targets(records.kind, records.labels[test]).any():
        raise TooFewRecordsError(
            f"{cell.task.name}: the {protocol.split} split leaves {len(test)} test records of one class or "
            "value only; give another --seed, a larger --test-share, or --split random"
        )
    embedded = embed(cell.encoder, records.smiles, cell.device, progress)
    embeddings = torch.from_numpy(embedded).to(cell.device)
    labels = torch.from_numpy(records.labels).to(cell.device)
    members = member_halves(len(pool), protocol.runs, protocol.seed)
    return CellData(records.kind, embeddings[pool], labels[pool], embeddings[test], labels[test], members)


def evaluate_cell(cell: Cell, progress: Progress = SILENT) -> tuple[pd.DataFrame, dict[str, object]]:
    """Measure a cell.

    Parameters
    ----------
    cell : Cell
        What to measure, and on which device.

    Returns
    -------
    rows : DataFrame
        One row per quantizer and run: ``quantizer, run`` and the columns of :func:`evaluate_block`.
    sizes : dict
        Numbers of records: ``pool``, ``members`` (of each run) and ``test``; ``dimensions`` of the
        embeddings; ``unscored``, the targets that the test records cannot score.
    """
    data = cell_data(cell, progress)
    store = BlockStore(cell, progress)
    found = {runs: store.evaluations(runs) for runs in store.blocks}
    wanted = len(store.blocks) * len(cell.quantizers)
    reused = sum(map(len, found.values()))
    if reused:
        progress.note(f"evaluation: reused {reused} of {wanted} blocks of quantizer x runs")
    unfinished = [runs for runs in store.blocks if len(found[runs]) < len(cell.quantizers)]
    _train_missing(cell, data, store, unfinished, progress)
    with progress.stage("quantizing and evaluating", wanted - reused) as step:
        for runs in unfinished:
            found[runs] = _evaluate_missing(cell, data, store, runs, found[runs], step)
    rows = pd.concat(
        [found[runs][name].rows.assign(quantizer=name) for name in cell.quantizers for runs in store.blocks],
        ignore_index=True,
    )
    scored = scored_targets(data.kind, data.test_labels.cpu().numpy())
    sizes: dict[str, object] = {
        "pool": len(data.pool),
        "members": int(data.members[0].sum()),
        "test": len(data.test),
        "dimensions": data.pool.shape[1],
        "unscored": [name for name, told in zip(cell.records.targets, scored, strict=True) if not told],
    }
    return rows, sizes


def _train_missing(
    cell: Cell, data: CellData, store: BlockStore, blocks: Sequence[range], progress: Progress
) -> None:
    """Train those blocks of runs that are not on disk yet."""
    missing = [runs for runs in blocks if store.bank_content(runs) is None]
    needed = sum(map(len, blocks))
    if needed > (training := sum(map(len, missing))):
        progress.note(f"bank: reused {needed - training} of {needed} trained runs")
    if missing:
        with progress.stage("training heads", cell.protocol.head.epochs * len(missing)) as step:
            for runs in missing:
                store.save_bank(_train(cell, data, runs, step))


def _train(cell: Cell, data: CellData, runs: range, step: Callable[[int], None]) -> Bank:
    """Train one block of runs."""
    members, protocol = data.members[runs.start : runs.stop], cell.protocol
    return train_block(
        data.kind, data.pool, data.pool_labels, members, protocol.head, protocol.seed, runs.start, step
    )


def _evaluate_missing(
    cell: Cell,
    data: CellData,
    store: BlockStore,
    runs: range,
    found: dict[str, Evaluation],
    step: Callable[[int], None],
) -> dict[str, Evaluation]:
    """Return the evaluations of every quantizer over a block, computing those that are not there yet."""
    bank = store.bank(runs)
    if bank is None:  # its head was whole, its tensors are not
        bank = _train(cell, data, runs, lambda epochs: None)  # noqa: ARG005
        store.save_bank(bank)
    content = store.bank_content(runs)
    if content is None:
        raise RuntimeError(f"the trained runs {runs.start} to {runs.stop - 1} vanished while they were used")
    # what was made on other trained runs is not mixed with these
    done = {name: evaluation for name, evaluation in found.items() if evaluation.bank == content}
    for name, quantizer in cell.quantizers.items():
        if name not in done:
            done[name] = Evaluation(evaluate_block(bank, quantizer, data), content)
            store.save_evaluation(runs, name, done[name])
            step(1)
    return done


def evaluate_block(bank: Bank, quantizer: Quantizer, data: CellData) -> pd.DataFrame:
    """Measure one quantizer over one block of runs.

    Returns
    -------
    DataFrame
        One row a run: ``run``; ``rate, rate_corrected, candidates, reference, records, reason`` of the
        indicator; ``loss_in, loss_out``, the mean losses of the published head on members and
        non-members; the metrics of the kind on the test records; ``constant``, whether the published head
        predicts the same for every test record; ``bits, entropy_bits, packed_bytes, zeros, coverage``.
    """
    device = data.pool.device
    runs = bank.runs
    quantized = quantize_heads(bank.snapshots, quantizer)
    rates = [_rate_of_run(quantized, place, data, bank, data.members[run]) for place, run in enumerate(runs)]
    table: dict[str, object] = {
        "run": list(runs),
        "rate": [r.rate for r in rates],
        "rate_corrected": [r.corrected for r in rates],
        "candidates": [r.candidates for r in rates],
        "reference": [r.reference for r in rates],
        "records": [r.records for r in rates],
        "reason": [r.reason for r in rates],
    }
    final = to_device(quantized.heads[:, -1], device)
    table |= _membership_losses(final, data, bank, data.members[runs.start : runs.stop])
    table |= _performance(final, data, bank)
    table |= quantized.sizes()
    return pd.DataFrame(table)


def to_device(heads: Heads, device: torch.device) -> Heads:
    """Return the heads on a device."""
    return Heads(tuple(w.to(device) for w in heads.weights), tuple(b.to(device) for b in heads.biases))


def _rate_of_run(
    quantized: QuantizedHeads, place: int, data: CellData, bank: Bank, members: NDArray[np.bool_]
) -> RunRate:
    """Return the indicator of one run: its distinct candidates on the records it was not trained on."""
    epochs = quantized.distinct_epochs(place)
    held_out = torch.from_numpy(np.flatnonzero(~members)).to(data.pool.device)
    if len(epochs) < 2:
        return RunRate.unknown("one candidate only", len(epochs), len(held_out))
    candidates = to_device(quantized.heads[place, epochs], data.pool.device)
    moments = GapMoments(len(epochs))
    for block in torch.split(held_out, RECORD_BLOCK):
        labels = (data.pool_labels[block] - bank.centre[place].to(block.device)) / bank.spread[place].to(
            block.device
        )
        losses = record_losses(data.kind, candidates(data.pool[block]), labels)
        if not bool(losses.isfinite().all()):
            return RunRate.unknown("losses not finite", len(epochs), len(held_out))
        moments.add(losses.cpu().numpy())
    rate = run_rate(moments)
    # the reference is told as the epoch it was, not as its place among the candidates
    return RunRate(
        rate.rate, rate.corrected, rate.candidates, _epoch(epochs, rate), rate.records, rate.reason
    )


def _epoch(epochs: list[int], rate: RunRate) -> int:
    return epochs[rate.reference] if rate.reference >= 0 else -1


def _membership_losses(
    final: Heads, data: CellData, bank: Bank, members: NDArray[np.bool_]
) -> dict[str, NDArray[np.float64]]:
    """Return the mean loss of the published heads on their members and on their non-members."""
    centre, spread = (t.to(data.pool.device)[:, None] for t in (bank.centre, bank.spread))
    outputs = final(data.pool)
    losses = record_losses(data.kind, outputs, (data.pool_labels - centre) / spread).cpu().numpy()
    return {
        "loss_in": np.where(members, losses, 0.0).sum(1) / members.sum(1),
        "loss_out": np.where(members, 0.0, losses).sum(1) / (~members).sum(1),
    }


def _performance(final: Heads, data: CellData, bank: Bank) -> dict[str, NDArray[np.generic]]:
    """Return every metric of the kind on the test records, and whether predictions are constant."""
    centre, spread = (t.to(data.test.device)[:, None] for t in (bank.centre, bank.spread))
    predictions = (final(data.test) * spread + centre).cpu().double().numpy()
    labels = data.test_labels.cpu().numpy()
    scores: dict[str, NDArray[np.generic]] = {
        name: np.asarray(metric(predictions, labels)) for name, metric in METRICS[data.kind].items()
    }
    scores["constant"] = (np.ptp(predictions, axis=1) == 0).all(1)
    return scores
