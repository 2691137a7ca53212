"""Indicators against many records and runs: ``python -m benchmarks.indicator_synthetic [--out DIR]``.

On synthetic tasks fresh records cost nothing. A bank of 64 runs is trained on each; the rate of the plain
indicator is estimated on m = 500, 2,000 and 10,000 fresh records of every run in four ways, and on 100,000
others once: the truth, over all runs. The membership effect needs no fresh records; its truth is over the
runs that it has not seen. k runs are drawn at random 200 times. Matched LiRA over all runs stands beside it:
a truth that can be found soon is not yet the right one.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmark.attack import signals_of, traced
from benchmark.cell_data import CellData, cell_data
from benchmark.execute import Settings, plan_cell
from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.attacks import Signals
from benchmark.privacy.candidate_rates import Moment, Over, Reference, figure
from benchmark.privacy.ranking import aggregate_runs
from benchmark.progress import Bar
from benchmark.rank_stability import block_effects, lira_aucs, spearman
from models.block_runs import BLOCK_RUNS
from models.heads import Bank, record_losses
from models.quantized_heads import quantize_heads
from models.quantizers import Quantizer
from models.train_bank import train_block
from molecules.cache import atomic_write
from molecules.progress import Progress
from molecules.streams import stream
from tasks.catalogue import get_task
from tasks.task import DataOptions

Floats = NDArray[np.float64]

TASKS = ("gaussian-modes", "gaussian-modes-regression")
RUNS = 64
#: Fresh records of an estimate, runs of it, and how often these are drawn.
SIZES, FEW, DRAWN = (500, 2_000, 10_000), (5, 10, 20, 50), 200
#: Fresh records of the truth, and how many are evaluated at once.
TRUTH, BLOCK = 100_000, 10_000
EFFECT = "membership effect"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out/indicator"), help="folder of the CSV files")
    out = parser.parse_args().out
    progress, console = Bar(Console(stderr=True)), Console(width=140)
    frames = []
    for name in TASKS:
        kept = out / "synthetic" / f"{name}.csv"
        if not kept.exists():
            rows = compared(*measure(name, progress), progress).assign(task=name)
            with atomic_write(kept) as temporary:
                rows.to_csv(temporary, index=False)
        frames.append(pd.read_csv(kept))
        console.print(_table(name, frames[-1]))
    with atomic_write(out / "indicator_synthetic.csv") as temporary:
        pd.concat(frames, ignore_index=True).to_csv(temporary, index=False)
    console.print(f"wrote {out / 'indicator_synthetic.csv'}")


def measure(name: str, progress: Progress) -> tuple[pd.DataFrame, dict[str, Signals]]:
    """Return the rate of every quantizer, run, m and moment, and the signals of every quantizer.

    Returns
    -------
    rates : DataFrame
        ``quantizer, run, m, moment, rate``; m = 100,000 is the truth.
    signals : dict of str to Signals
        By quantizer.
    """
    task = get_task(f"{name}:m={TRUTH + max(SIZES)}")
    cell, _ = plan_cell(task, DataOptions(), Settings(runs=RUNS), progress)
    data, protocol, rows, blocks = cell_data(cell), cell.protocol, [], []
    with progress.stage(f"{name}: rates", RUNS * len(cell.quantizers)) as step:
        for first in range(0, RUNS, BLOCK_RUNS):
            members = data.members[first : first + BLOCK_RUNS]
            bank = train_block(
                data.kind, data.pool, data.pool_labels, members, protocol.head, protocol.seed, first
            )
            blocks.append(traced(bank))
            for quantizer_name, quantizer in cell.quantizers.items():
                rows += [{"quantizer": quantizer_name, **row} for row in _rates(bank, quantizer, data)]
                step(len(members))
    return pd.DataFrame(rows), {n: signals_of(blocks, q, data) for n, q in cell.quantizers.items()}


def _rates(bank: Bank, quantizer: Quantizer, data: CellData) -> Iterator[dict[str, object]]:
    """Yield the rates of every run of a block under a quantizer."""
    quantized = quantize_heads(bank.snapshots, quantizer)
    for place, run in enumerate(bank.runs):
        epochs = quantized.distinct_epochs(place)
        if len(epochs) < 2:
            continue
        # the published head first, as the study of real tasks has it
        candidates = quantized.heads[place, [epochs[-1], *epochs[:-1]]]
        part, labels, _ = data.held_out(run)
        wanted = (labels - bank.centre[place]) / bank.spread[place]
        blocks = zip(data.inputs(part).split(BLOCK), wanted.split(BLOCK), strict=True)
        losses = (
            torch.cat([record_losses(data.kind, candidates(x), y) for x, y in blocks], 1).double().numpy()
        )
        for m, part in [(TRUTH, losses[:, :TRUTH]), *((m, losses[:, TRUTH : TRUTH + m]) for m in SIZES)]:
            for moment in Moment:
                rate = figure(part, Reference.BEST, moment, Over.MIN)
                yield {"run": run, "m": m, "moment": str(moment), "rate": rate}


def compared(rates: pd.DataFrame, signals: dict[str, Signals], progress: Progress) -> pd.DataFrame:
    """Return how near estimates of few records and runs come to their truth, and to the order by LiRA.

    Returns
    -------
    DataFrame
        One row per indicator (``indicator, m, moment, aggregate``) and k: ``bias`` and ``rmse`` relative to
        the truth (median over quantizers), ``spearman`` with the truth and ``spearman_lira`` (means over the
        draws), each with ``_low`` and ``_high`` (5 and 95 % of the draws).
    """
    names = list(signals)
    lira = np.stack([lira_aucs(signals[name], np.arange(RUNS)) for name in names]).mean(1)
    of = {key: _wide(own, names) for key, own in rates.groupby(["m", "moment"], sort=False)}
    rows: list[dict[str, object]] = []
    groups = [key for key in of if key[0] != TRUTH]
    with progress.stage("draws", (len(groups) * len(Aggregate) + 1) * len(FEW)) as step:
        for m, moment in groups:
            # what a moment estimates: the Cramer rate, or the Gaussian one without its noise floor
            own = Moment.CRAMER if moment == Moment.CRAMER else Moment.CORRECTED
            for how in Aggregate:
                truth = aggregate_runs(of[TRUTH, str(own)], how)
                head = {"indicator": "plain", "m": m, "moment": moment, "aggregate": str(how)}
                head["truth_lira"] = spearman(truth, -lira)
                for few in FEW:
                    found = np.array([aggregate_runs(of[m, moment][:, p], how) for p, _ in _draws(few)])
                    told = _told(found, np.tile(truth, (DRAWN, 1)), lira)
                    rows.append(head | {"runs": few} | told)
                    step(1)
        for few in FEW:
            pairs = [[_effects(signals, part) for part in both] for both in _draws(few)]
            seen, others = (-np.array([pair[place] for pair in pairs]) for place in (0, 1))
            head = {"indicator": EFFECT, "m": 0, "moment": "", "aggregate": "mean", "runs": few}
            rows.append(head | _told(seen, others, lira))
            step(1)
    return pd.DataFrame(rows)


def _draws(few: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield the runs that are looked at, and the others."""
    for number in range(DRAWN):
        order = stream(0, f"draw of {few}", number).permutation(RUNS)
        yield order[:few], order[few:]


def _wide(rows: pd.DataFrame, names: list[str]) -> Floats:
    """Return rates as (quantizers, runs); NaN where there is none."""
    wide = rows.pivot_table(index="quantizer", columns="run", values="rate")
    return np.asarray(wide.reindex(index=names, columns=range(RUNS)).to_numpy(dtype=float))


def _effects(signals: dict[str, Signals], places: NDArray[np.intp]) -> Floats:
    """Return the mean membership effect of every quantizer over some runs."""
    found = [block_effects(own, places) for own in signals.values()]
    return np.asarray(np.nanmean(np.stack(found), axis=1))


def _told(found: Floats, truth: Floats, lira: Floats) -> dict[str, object]:
    """Return bias, error and correlations of estimates (draws, Q) against their truths."""
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(truth == 0, np.nan, found / truth - 1)
    row: dict[str, object] = {
        "bias": float(np.nanmedian(np.nanmean(relative, axis=0))),
        "rmse": float(np.nanmedian(np.sqrt(np.nanmean(relative**2, axis=0)))),
    }
    for label, other in (("spearman", truth), ("spearman_lira", np.tile(-lira, (len(found), 1)))):
        values = np.array([spearman(one, two) for one, two in zip(found, other, strict=True)])
        row[label] = float(np.nanmean(values))
        row[f"{label}_low"], row[f"{label}_high"] = np.nanquantile(values, [0.05, 0.95])
    return row


def _table(name: str, rows: pd.DataFrame) -> Table:
    """Return the figures by the mean over runs; the other aggregates are in the CSV."""
    own = rows[(rows["moment"] == Moment.CORRECTED) & (rows["aggregate"] == Aggregate.MEAN)]
    title = f"{name}; the truth of the plain indicator against LiRA: {own['truth_lira'].iloc[0]:.2f}"
    heads = ("indicator", "m", "runs", "bias", "error", "Spearman with truth", "Spearman with LiRA")
    table = Table(*heads, title=title, title_justify="left")
    for _, row in rows[rows["aggregate"] == "mean"].iterrows():
        told = [
            f"{row[c]:.2f} [{row[f'{c}_low']:.2f}, {row[f'{c}_high']:.2f}]"
            for c in ("spearman", "spearman_lira")
        ]
        head = EFFECT if row["indicator"] == EFFECT else f"plain: {row['moment']}"
        size = f"{row['m']:,}" if row["m"] else ""
        table.add_row(head, size, str(row["runs"]), f"{row['bias']:+.0%}", f"{row['rmse']:.0%}", *told)
    return table


if __name__ == "__main__":
    main()
