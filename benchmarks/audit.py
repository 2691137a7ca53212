"""The audit against what a user would write instead: ``python -m benchmarks.audit``.

Sixteen Gaussian modes in R^128, heads 128-64-64-1, 256 members, 40 epochs, 10 quantizers, the plain indicator
on 2,000 fresh records. Side by side, in one process and in turns, per run:

- r: training, quantizing, and the plain indicator of every quantizer, raced and evaluated whole, which is
  what the loop gives;
- the table: all that :func:`benchmark.evaluate_block.evaluate_block` tells beside, metrics, the effects of
  membership, sizes of files;
- the sequential loop: one model at a time, snapshots deep-copied, quantized one by one, r of each quantizer;
- the arithmetic of evaluating every snapshot on every record, at the speed of a large matrix product;
- LiRA as peers audit it: shadow models trained anew for every quantizer, against one bank for all, with the
  attack.

With one core, times are those of the processor, so that whatever else the machine does counts little. With
more, they are those of the clock: blocks are shared among as many processes, as those of a cell are, and the
loop and the matrix product have as many threads. How far r of the race lies from that of the whole evaluation
is told for every run.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmark.attack import signals_of, traced
from benchmark.cell_data import CellData
from benchmark.evaluate_block import evaluate_block, rates_of_runs
from benchmark.privacy.attacks import ATTACKS
from benchmark.privacy.indicator import resolution
from benchmark.privacy.panel import cross_scored
from benchmark.quantized_block import QuantizedBlock
from benchmark.workers import Listener, shared_out
from benchmarks import sequential
from benchmarks.ratio import Ratio, in_turns, write
from models.block_runs import BLOCK_RUNS
from models.heads import Bank, HeadConfig
from models.quantizers import Quantizer
from models.quantizers.zoo import resolve
from models.train_bank import train_block
from molecules.splits import member_halves
from molecules.threads import one_blas_thread
from tasks.task import Kind

QUANTIZERS = (
    *("float32", "uniform-8", "uniform-6", "uniform-4", "uniform-3", "uniform-2"),
    *("ternary-50", "ternary-75", "ternary-90", "sign"),
)
HEAD = HeadConfig(hidden=(64, 64), epochs=40)
DIMENSIONS, MODES, MEMBERS, RECORDS = 128, 16, 256, 2000
#: Rows and columns of the matrices whose product gives the speed limit.
SIDE = 2048
#: Attack of peers, and shadow models of theirs whose training is timed.
LIRA = "lira-online-fixed"


@dataclass(frozen=True)
class Problem:
    """What is audited: its tensors, the quantizers, and how heads are trained."""

    data: CellData
    zoo: Mapping[str, Quantizer]
    head: HeadConfig

    @property
    def runs(self) -> int:
        """Heads."""
        return len(self.data.members)

    def blocks(self) -> list[range]:
        """Return the blocks that runs are trained in."""
        return [range(at, min(at + BLOCK_RUNS, self.runs)) for at in range(0, self.runs, BLOCK_RUNS)]

    def bank(self, runs: range) -> Bank:
        """Train a block."""
        data, own = self.data, self.data.members[runs.start : runs.stop]
        return train_block(data.kind, data.pool, data.pool_labels, own, self.head, 0, runs.start)


def problem(
    runs: int, records: int = RECORDS, quantizers: Sequence[str] = QUANTIZERS, head: HeadConfig = HEAD
) -> Problem:
    """Draw the records; the pool is twice the members."""
    rng = np.random.default_rng(0)
    centres = 0.6 * rng.normal(size=(MODES, DIMENSIONS))

    def drawn(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        modes = rng.integers(MODES, size=count)
        inputs = centres[modes] + rng.normal(size=(count, DIMENSIONS))
        labels = (modes % 2)[:, None]
        return torch.from_numpy(inputs.astype(np.float32)), torch.from_numpy(labels.astype(np.float32))

    parts = [part for count in (2 * MEMBERS, 500, records) for part in drawn(count)]
    pool, pool_labels, test, test_labels, fresh, fresh_labels = parts
    halves = member_halves(2 * MEMBERS, runs, 0)
    data = CellData(
        Kind.CLASSIFICATION,
        pool,
        pool_labels,
        test,
        test_labels,
        halves,
        fresh=fresh,
        fresh_labels=fresh_labels,
    )
    return Problem(data, resolve(quantizers), head)


def ours(problem: Problem, *, race: bool, workers: int = 1) -> pd.DataFrame:
    """Train all runs and evaluate all quantizers; one row per quantizer and run."""
    seed = 0 if race else None

    def rows(bank: Bank, quantizer: Quantizer) -> pd.DataFrame:
        return evaluate_block(bank, quantizer, problem.data, race=seed)

    return _shared(problem, rows, workers)


def rates(problem: Problem, *, race: bool, workers: int = 1) -> pd.DataFrame:
    """Train all runs and find r of all quantizers; one row per quantizer and run."""
    seed = 0 if race else None

    def rows(bank: Bank, quantizer: Quantizer) -> pd.DataFrame:
        found = rates_of_runs(QuantizedBlock(bank, quantizer, problem.data), seed)
        return pd.DataFrame({"run": list(bank.runs), "rate": [rate.rate for rate in found]})

    return _shared(problem, rows, workers)


def _shared(problem: Problem, rows: Callable[[Bank, Quantizer], pd.DataFrame], workers: int) -> pd.DataFrame:
    """Return the rows of every block and quantizer, the blocks shared among processes."""

    def of_block(runs: range, listener: Listener) -> pd.DataFrame:
        del listener
        bank = problem.bank(runs)
        with one_blas_thread():
            return pd.concat([rows(bank, q).assign(quantizer=name) for name, q in problem.zoo.items()])

    silent = Listener(lambda steps: None, lambda note: None)  # noqa: ARG005
    found = dict(shared_out(of_block, problem.blocks(), workers, silent))
    return pd.concat([found[runs] for runs in problem.blocks()], ignore_index=True)


def attacked(problem: Problem) -> None:
    """Attack every quantizer by LiRA, shadow models quantized alike, with one bank for all."""
    blocks = [traced(problem.bank(runs)).keeping([-1]) for runs in problem.blocks()]
    for quantizer in problem.zoo.values():
        target = signals_of(blocks, quantizer, problem.data)
        cross_scored(ATTACKS[LIRA], target, target)


def matrix_product(side: int = SIDE) -> Callable[[], object]:
    """Return a large matrix product of float32."""
    left, right = torch.randn(2, side, side)
    return lambda: left @ right


def evaluation_flops(quantizers: int, records: int = RECORDS) -> float:
    """Return the floating-point operations of one run: every snapshot of every quantizer on every record."""
    sizes = (DIMENSIONS, *HEAD.hidden, 1)
    products = sum(fan_in * fan_out for fan_in, fan_out in itertools.pairwise(sizes))
    return 2.0 * quantizers * HEAD.epochs * records * products


def measure(runs: int, plain: int, turns: int, cores: int) -> tuple[list[Ratio], pd.DataFrame]:
    """Measure all side by side.

    Returns
    -------
    ratios : list of Ratio
        Seconds a run.
    told : DataFrame
        By quantizer: how far r of the race lies from that of the whole evaluation, in resolutions.
    """
    torch.set_num_threads(cores)
    clock = time.process_time if cores == 1 else time.perf_counter
    made, frames = problem(runs), {}
    own: NDArray[np.bool_] = made.data.members[:plain]
    product = matrix_product()
    product()

    def kept(name: str, found: Callable[..., pd.DataFrame], race: bool) -> Callable[[], None]:
        def call() -> None:
            frames[name] = found(made, race=race, workers=cores)

        return call

    names = {
        "r, raced": kept("raced", rates, True),
        "r, all evaluated": kept("whole", rates, False),
        "all of a table, raced": kept("table", ours, True),
    }
    least = in_turns(
        {
            **names,
            "loop": lambda: sequential.audit(made.data, own, HEAD),
            "product": product,
            "attack": lambda: attacked(made),
            "shadows": lambda: sequential.shadows(made.data, own, HEAD),
        },
        turns,
        clock,
    )
    limit = evaluation_flops(len(QUANTIZERS)) / (2.0 * SIDE**3 / least["product"])
    loop = least["loop"] / plain
    on = f"{cores} core{'s' if cores > 1 else ''}"
    anchors = {"sequential loop": loop, "matrix products of the whole evaluation": limit}
    ratios = [
        Ratio(f"audit: {name}, {on}", least[name] / runs, anchor, beside, "s a run")
        for name in names
        for beside, anchor in anchors.items()
    ]
    ratios.append(
        Ratio(
            f"LiRA on {len(QUANTIZERS)} quantizers, {on}",
            least["attack"] / runs,
            len(QUANTIZERS) * least["shadows"] / plain,
            "shadow models trained anew for every quantizer",
            "s a run",
        )
    )
    return ratios, apart(frames["raced"], frames["whole"])


def apart(raced: pd.DataFrame, whole: pd.DataFrame) -> pd.DataFrame:
    """Return, by quantizer, how far r of the race lies from that of the whole evaluation."""
    both = raced[["quantizer", "run", "rate"]].merge(whole, on=["quantizer", "run"], suffixes=("", "_whole"))
    floor = resolution(RECORDS)
    both["off"] = (both["rate"] - both["rate_whole"]).abs() / floor
    groups = both.groupby("quantizer", sort=False)
    return pd.DataFrame(
        {
            "r, whole": groups["rate_whole"].mean(),
            "r, raced": groups["rate"].mean(),
            "same": groups["off"].agg(lambda off: float((off < 1e-6).mean())),
            "beyond the resolution": groups["off"].agg(lambda off: float((off > 1).mean())),
            "largest, in resolutions": groups["off"].max(),
        }
    ).reset_index()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=128, help="heads of ours (default: 128)")
    parser.add_argument("--plain", type=int, default=4, help="models of the sequential loop (default: 4)")
    parser.add_argument("--turns", type=int, default=3, help="turns, of which the best counts (default: 3)")
    parser.add_argument("--cores", type=int, default=1, help="how many compute (default: 1)")
    parser.add_argument("--csv", type=Path, help="file of ratios to write to")
    given = parser.parse_args()
    ratios, told = measure(given.runs, given.plain, given.turns, given.cores)
    print(f"{'':34s}{'s a run':>10s}{'anchor':>10s}{'ratio':>8s}")
    for ratio in ratios:
        print(
            f"{ratio.figure:34s}{ratio.ours:10.4f}{ratio.anchor:10.4f}{ratio.ratio:8.2f}  {ratio.anchor_name}"
        )
    print(told.to_string(index=False, float_format=lambda value: f"{value:.3g}"))
    if given.csv:
        write(given.csv, ratios)


if __name__ == "__main__":
    main()
