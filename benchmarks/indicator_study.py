"""One task of the study of indicators: every indicator of few runs, and matched LiRA over the other runs."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmark.attack import signals_of, traced
from benchmark.cell_data import CellData, cell_data
from benchmark.plan import Cell, Protocol
from benchmark.privacy.attacks import Signals
from benchmark.privacy.candidate_rates import Moment, Over, Reference, figure
from benchmark.privacy.candidates import neighbours, other_runs, retrained, snapshots
from benchmark.rank_stability import block_effects, lira_aucs
from models.block_runs import BLOCK_RUNS
from models.encoders.base import ENCODERS
from models.heads import Bank, Heads, record_losses
from models.quantized_heads import quantize_heads
from models.quantizers import Quantizer
from models.quantizers.zoo import resolve
from models.train_bank import train_block
from molecules.progress import Progress
from molecules.streams import stream
from tasks.catalogue import load_records
from tasks.task import DataOptions, Task

#: Runs of a task; the indicators see the first ones, LiRA's figure is taken over the others.
RUNS, FEW = 64, 10
#: Retrainings without a tenth of the members.
RETRAININGS, LEFT_OUT = 6, 0.1
#: Sizes and number of the neighbour candidates.
SIZES, NEIGHBOURS = (0.01, 0.03, 0.1), 12


def study(task: Task, progress: Progress, *, candidates: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the figures of all indicators and of LiRA on one task.

    Parameters
    ----------
    task : Task
        What is predicted.
    candidates : bool
        Whether the families of candidates are tried; if not, only what is cheap: the gap, the membership
        effect, and the plain indicator.

    Returns
    -------
    figures : DataFrame
        One row per quantizer, run and indicator: ``quantizer, run, indicator, value``, larger = more private.
    lira : DataFrame
        One row per quantizer and run: ``quantizer, run, auc``.
    """
    quantizers = resolve(["float32", "paper"])
    cell = Cell(task, load_records(task, DataOptions()), ENCODERS["gin"](), quantizers, Protocol(RUNS))
    data = cell_data(cell)
    with progress.stage(f"{task.name}: training", RUNS) as step:
        banks = []
        for first in range(0, RUNS, BLOCK_RUNS):
            members = data.members[first : first + BLOCK_RUNS]
            banks.append(_train(cell, data, members, first))
            step(len(members))
    families = _families(cell, data, banks[0], candidates)
    blocks, rows, aucs = [traced(bank) for bank in banks], [], []
    with progress.stage(f"{task.name}: indicators", len(quantizers)) as step:
        for name, quantizer in quantizers.items():
            signals = signals_of(blocks, quantizer, data)
            found = lira_aucs(signals, np.arange(RUNS))
            aucs += [{"quantizer": name, "run": run, "auc": value} for run, value in enumerate(found)]
            own = [*_cheap(signals), *_of_families(families, quantizer, data, banks[0])]
            rows += [{"quantizer": name, "run": r, "indicator": i, "value": v} for i, r, v in own]
            step(1)
    return pd.DataFrame(rows), pd.DataFrame(aucs)


def _train(cell: Cell, data: CellData, members: NDArray[np.bool_], first: int) -> Bank:
    protocol = cell.protocol
    return train_block(data.kind, data.pool, data.pool_labels, members, protocol.head, protocol.seed, first)


def _families(cell: Cell, data: CellData, bank: Bank, candidates: bool) -> dict[str, Callable[[int], Heads]]:
    found: dict[str, Callable[[int], Heads]] = {"snapshots": lambda run: snapshots(bank, run)}
    if not candidates:
        return found
    again = []
    for number in range(RETRAININGS):
        members = data.members[:FEW].copy()
        for run, own in enumerate(members):
            inside = np.flatnonzero(own)
            drawn = stream(number, "left out", run).permutation(inside)
            own[drawn[: round(LEFT_OUT * len(inside))]] = False
        again.append(_train(cell, data, members, 0))
    for size in SIZES:
        found[f"neighbours {size:g}"] = lambda run, size=size: neighbours(bank, run, size, NEIGHBOURS)  # type: ignore[misc]
    few = Bank(bank.snapshots[:FEW], bank.centre[:FEW], bank.spread[:FEW], bank.first_run)
    found["other runs"] = lambda run: other_runs(few, run)
    found["retrained"] = lambda run: retrained(again, run)
    return found


def _cheap(signals: Signals) -> Iterator[tuple[str, int, float]]:
    """Yield what needs the losses of the published heads alone."""
    members, losses = signals.members, signals.loss
    for run in range(FEW):
        inside, outside = losses[run][members[run]], losses[run][~members[run]]
        gap = float(outside.mean() - inside.mean())
        yield "gap", run, -gap
        yield "gap / deviation", run, -gap / float(losses[run].std())
    effects = block_effects(signals, np.arange(FEW))
    yield from (("membership effect", run, -float(effect)) for run, effect in enumerate(effects))


def _of_families(
    families: dict[str, Callable[[int], Heads]], quantizer: Quantizer, data: CellData, bank: Bank
) -> Iterator[tuple[str, int, float]]:
    for run in range(FEW):
        members = data.members[run]
        records = {"OUT": ~members, "IN": members, "all": np.ones_like(members)}
        labels = (data.pool_labels - bank.centre[run]) / bank.spread[run]
        for family, make in families.items():
            losses = _losses(bank, run, make(run), quantizer, data, labels)
            for where, chosen in records.items() if len(families) > 1 else [("OUT", ~members)]:
                for name, value in _all_figures(losses[:, chosen]):
                    yield f"{family} · {where} · {name}", run, value


def _all_figures(losses: NDArray[np.float64]) -> Iterator[tuple[str, float]]:
    for reference in Reference:
        for over in Over:
            for moment in Moment:
                if moment is Moment.CRAMER and (reference is Reference.FINAL or over is Over.MEAN):
                    continue  # slow, and the others do not differ in kind
                known = len(losses) > 1
                yield (
                    f"{reference} · {over} · {moment}",
                    figure(losses, reference, moment, over) if known else np.nan,
                )


def _losses(
    bank: Bank, run: int, candidates: Heads, quantizer: Quantizer, data: CellData, labels: torch.Tensor
) -> NDArray[np.float64]:
    """Return the losses of the distinct candidates, the published head first."""
    final = bank.snapshots[[run], -1]
    heads = Heads(
        tuple(torch.cat([a, b]) for a, b in zip(final.weights, candidates.weights, strict=True)),
        tuple(torch.cat([a, b]) for a, b in zip(final.biases, candidates.biases, strict=True)),
    )
    stacked = Heads(tuple(w[None] for w in heads.weights), tuple(b[None] for b in heads.biases))
    quantized = quantize_heads(stacked, quantizer)
    codes = [layer.codes[0].flatten(1).numpy() for layer in quantized.layers]
    first = {}
    for place in range(len(codes[0])):
        first.setdefault(b"".join(layer[place].tobytes() for layer in codes), place)
    distinct = sorted(first.values())
    outputs = quantized.heads[0, distinct](data.pool)
    return record_losses(data.kind, outputs, labels).numpy()
