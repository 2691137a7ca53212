"""One cell: embeddings, bank of runs, and every quantizer over every run.

The result is one row per quantizer and run; tables, intervals and figures are functions of those rows.
What is finished is kept at once (a block of trained runs, the rows of one quantizer over one block), so that
a stopped cell goes on where it was and ends in the same rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.metrics import METRICS, scored_targets
from benchmark.plan import Cell, describe
from benchmark.privacy.gap_moments import GapMoments
from benchmark.privacy.indicator import RunRate, run_rate
from models.bank_file import load_bank, save_bank
from models.encoders.base import embed
from models.heads import BLOCK_RUNS, Bank, Heads, record_losses, train_block
from models.quantized_heads import QuantizedHeads, quantize_heads
from models.quantizers import Quantizer
from molecules.cache import atomic_write, cache_dir
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


def cell_data(cell: Cell, device: str = "cpu", progress: Progress = SILENT) -> CellData:
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
    embeddings = torch.from_numpy(embed(cell.encoder, records.smiles, device, progress)).to(device)
    labels = torch.from_numpy(records.labels).to(device)
    members = member_halves(len(pool), protocol.runs, protocol.seed)
    return CellData(records.kind, embeddings[pool], labels[pool], embeddings[test], labels[test], members)


def evaluate_cell(
    cell: Cell, device: str = "cpu", progress: Progress = SILENT
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Measure a cell.

    Parameters
    ----------
    cell : Cell
        What to measure.
    device : str
        Where to compute: ``"cpu"`` or ``"cuda"``.

    Returns
    -------
    rows : DataFrame
        One row per quantizer and run: ``quantizer, run`` and the columns of :func:`evaluate_block`.
    sizes : dict
        Numbers of records: ``pool``, ``members`` (of each run) and ``test``; and ``dimensions``.
    """
    data = cell_data(cell, device, progress)
    folder = cache_dir("bank") / f"{cell.task.name}-{cell.encoder.name}-{cell.bank_key}"
    blocks = [
        range(i, min(i + BLOCK_RUNS, cell.protocol.runs)) for i in range(0, cell.protocol.runs, BLOCK_RUNS)
    ]
    _train_missing(cell, data, folder, blocks, progress)
    frames = list(_evaluate_missing(cell, data, folder, blocks, progress))
    order = {name: place for place, name in enumerate(cell.quantizers)}
    rows = pd.concat(frames, ignore_index=True)
    rows = rows.sort_values(
        ["quantizer", "run"], key=lambda column: column.map(order) if column.name == "quantizer" else column
    ).reset_index(drop=True)
    sizes = {
        "pool": len(data.pool),
        "members": int(data.members[0].sum()),
        "test": len(data.test),
        "dimensions": data.pool.shape[1],
    }
    return rows, sizes


def _block_name(runs: range) -> str:
    return f"runs-{runs.start:04d}-{runs.stop - 1:04d}"


def _train_missing(cell: Cell, data: CellData, folder: Path, blocks: list[range], progress: Progress) -> None:
    """Train the blocks of runs that are not on disk yet."""
    missing = [runs for runs in blocks if _load_block(folder, runs, progress) is None]
    reused = cell.protocol.runs - sum(map(len, missing))
    if reused:
        progress.note(f"bank: reused {reused} of {cell.protocol.runs} trained runs")
    if not missing:
        return
    epochs = cell.protocol.head.epochs
    with progress.stage("training heads", epochs * len(missing)) as step:
        for runs in missing:
            bank = train_block(
                data.kind,
                data.pool,
                data.pool_labels,
                data.members[runs.start : runs.stop],
                cell.protocol.head,
                cell.protocol.seed,
                runs.start,
                step,
            )
            save_bank(_block_path(folder, runs), bank)


def _block_path(folder: Path, runs: range) -> Path:
    return folder / f"{_block_name(runs)}.safetensors"


def _load_block(folder: Path, runs: range, progress: Progress) -> Bank | None:
    """Return a block of runs from disk; None where it is absent, damaged, or of other runs."""
    path = _block_path(folder, runs)
    bank = load_bank(path, progress)
    if bank is None or (bank.first_run == runs.start and len(bank.centre) == len(runs)):
        return bank
    progress.note(f"bank: {path} holds other runs; training these again")
    return None


def _evaluate_missing(
    cell: Cell, data: CellData, folder: Path, blocks: list[range], progress: Progress
) -> Iterator[pd.DataFrame]:
    """Yield the rows of every block and quantizer, computing those that are not on disk yet."""
    wanted = [(runs, name, folder / _block_name(runs) / f"{cell.quantizer_key(name)}.parquet")
              for runs in blocks for name in cell.quantizers]  # fmt: skip
    found = {
        path: rows
        for runs, name, path in wanted
        if (rows := _read_rows(path, describe(cell.quantizers[name]), runs, progress)) is not None
    }
    if found:
        progress.note(f"evaluation: reused {len(found)} of {len(wanted)} blocks of quantizer x runs")
    bank: Bank | None = None
    with progress.stage("quantizing and evaluating", len(wanted) - len(found)) as step:
        for runs, name, path in wanted:
            if path not in found:
                if bank is None or bank.first_run != runs.start:
                    bank = _load_block(folder, runs, progress)
                if bank is None:
                    raise RuntimeError(f"the bank of {_block_name(runs)} vanished from {folder}")
                rows = evaluate_block(bank, cell.quantizers[name], data)
                rows["configuration"] = describe(cell.quantizers[name])
                with atomic_write(path) as temporary:
                    rows.to_parquet(temporary)
                found[path] = rows
                step(1)
            yield found[path].assign(quantizer=name)


def _read_rows(path: Path, configuration: str, runs: range, progress: Progress) -> pd.DataFrame | None:
    """Return the rows of one quantizer over one block; None where absent, damaged, or of something else."""
    if not path.exists():
        return None
    try:
        rows = pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors or OSErrors
        progress.note(f"evaluation: {path} is damaged ({error}); doing it again")
        return None
    told = rows.get("configuration", pd.Series(dtype=str)).to_list()
    if told == [configuration] * len(runs) and "run" in rows and rows["run"].to_list() == list(runs):
        return rows
    progress.note(f"evaluation: {path} holds another quantizer or other runs; doing it again")
    return None


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
    runs = range(bank.first_run, bank.first_run + len(bank.centre))
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
