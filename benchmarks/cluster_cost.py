"""What the full grid costs, from what its parts cost here: ``python -m benchmarks.cluster_cost`` (5 minutes).

One thread measures the processor time of training a block of runs, of evaluating a quantizer over it, of
attacking it and of attacking joint releases, over several sizes of pool, embedding and labels; a linear
model with coefficients of at least 0 is fitted to each, and held against sizes that it was not fitted to and
against whole cells. Then it adds up the cells: all TDC and MoleculeNet tasks, seven encoders, forty
quantizers, 300 runs. Sizes are those of the catalogue; of tasks whose records nobody has counted, the median
of their source.
"""

import argparse
import itertools
import os
import resource
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

# before torch is loaded
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.optimize import nnls

from benchmark.attack import attack_quantizers, traced
from benchmark.cell_data import CellData, cell_data
from benchmark.evaluate_block import evaluate_block
from benchmark.execute import Settings, measure_cell, plan_cell
from benchmark.plan import Protocol
from benchmark.privacy.attacks import Signals
from benchmark.privacy.attacks.signals import trace_epochs
from benchmark.quantized_block import QuantizedBlock
from benchmark.releases import attack_versions
from benchmark.suites import SUITES
from models.block_runs import BLOCK_RUNS
from models.encoders.base import ENCODERS
from models.encoders.graph_encoder import GraphEncoder
from models.heads import Bank, HeadConfig
from models.quantizers import QUANTIZERS
from models.quantizers.zoo import resolve, zoo_names
from models.train_bank import train_block
from molecules.splits import member_halves
from tasks.catalogue import TASKS, get_task
from tasks.task import DataOptions, Kind

HEAD = Protocol(BLOCK_RUNS).head
GRID_ENCODERS = ("gin", "gine", "gcn", "gat", "attentivefp", "ecfp", "rdkit2d")
GRID_SUITES = {"TDC": "admet", "MoleculeNet": "moleculenet"}
GRID_QUANTIZERS, GRID_RUNS = 40, 300
#: Of the records of a task, those in the pool where 0.2 are held apart.
POOL = 0.8
#: A quantizer that costs next to nothing to apply: what is left is the evaluation.
PLAIN = "sign"
#: Runs in which the quantizers are compared with it.
FEW = 4


@dataclass(frozen=True)
class Size:
    """The size of a cell: records in the pool, dimensions of an embedding, labels."""

    pool: int
    dimensions: int
    targets: int

    @property
    def steps(self) -> int:
        """Batches of the training of a run."""
        return HEAD.epochs * -(-(self.pool // 2) // HEAD.batch_size)

    @property
    def weights(self) -> int:
        """Weights of a head."""
        widths = [self.dimensions, *HEAD.hidden, self.targets]
        return sum(a * b for a, b in itertools.pairwise(widths))


FITTED = (
    Size(600, 128, 1), Size(600, 1024, 1), Size(1500, 256, 1), Size(1500, 256, 12), Size(3000, 256, 1),
    Size(600, 256, 60), Size(1200, 2048, 1), Size(3000, 512, 6),
)  # fmt: skip
HELD_OUT = (Size(1000, 512, 3), Size(2400, 217, 1), Size(5000, 256, 1))

#: What each part is linear in; the attacks by run, the others by block of runs.
Features = Callable[[Size], list[float]]
PARTS: Mapping[str, Features] = {
    "training": lambda s: [1, s.steps, s.steps * s.dimensions, s.steps * s.targets],
    "evaluation": lambda s: [1, s.weights, s.pool, s.pool * s.dimensions, s.pool * s.targets],
    "attacks": lambda s: [1, s.weights, s.pool, s.pool * s.dimensions, s.pool * s.targets],
}


def clock(work: Callable[[], object]) -> float:
    """Return the processor seconds of a piece of work."""
    started = time.process_time()
    work()
    return time.process_time() - started


def drawn(size: Size, runs: int) -> CellData:
    """Return a cell of that size: what is learned does not matter to the time."""
    rng = np.random.default_rng(0)
    kind = Kind.REGRESSION if size.targets == 1 else Kind.CLASSIFICATION
    held = size.pool // 4

    def part(records: int) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = torch.from_numpy(rng.normal(size=(records, size.dimensions)).astype(np.float32))
        labels = inputs[:, : size.targets] + torch.from_numpy(
            rng.normal(size=(records, size.targets)).astype(np.float32)
        )
        return inputs, labels if kind is Kind.REGRESSION else (labels > 0).float()

    members = member_halves(size.pool, runs, 0)
    return CellData(kind, *part(size.pool), *part(held), members, public=part(256)[0])


def trained(data: CellData, first: int = 0, runs: int = BLOCK_RUNS, head: HeadConfig = HEAD) -> Bank:
    members = data.members[first : first + runs]
    return train_block(data.kind, data.pool, data.pool_labels, members, head, 0, first)


def measured(size: Size) -> dict[str, float]:
    """Return the seconds of every part for one block of runs and one quantizer."""
    data, banks = drawn(size, BLOCK_RUNS), []
    quantizer = QUANTIZERS[PLAIN]
    seconds = {"training": clock(lambda: banks.append(trained(data)))}
    bank = banks[0]
    seconds["evaluation"] = clock(lambda: evaluate_block(bank, quantizer, data))
    # of float32 the attacks need the signals once for all quantizers: of two, each bears half
    tried = {"float32": QUANTIZERS["float32"], PLAIN: quantizer, "again": quantizer}
    seconds["attacks"] = clock(lambda: list(attack_quantizers(tried, data, [traced(bank)]))) / len(tried)
    return seconds


@dataclass(frozen=True)
class Model:
    """Seconds of every part of a cell.

    Attributes
    ----------
    parts : mapping of str to ndarray
        Coefficients of ``PARTS``.
    dearer : float
        Seconds by which a block costs more under the mean quantizer than under ``PLAIN``, a weight.
    joint : ndarray, shape (2,)
        Seconds of joint releases by run and record: of a version, and of a square of versions.
    """

    parts: Mapping[str, NDArray[np.float64]]
    dearer: float
    joint: NDArray[np.float64]

    def seconds(self, size: Size, runs: int, quantizers: int) -> dict[str, float]:
        """Return the processor seconds of every part of a cell."""
        blocks, one = runs / BLOCK_RUNS, {name: float(self.parts[name] @ PARTS[name](size)) for name in PARTS}
        applied = self.dearer * size.weights  # by the evaluation, and by the attacks to fewer snapshots
        again = applied * len(trace_epochs(HEAD.epochs)) / HEAD.epochs
        return {
            "training": blocks * one["training"],
            "evaluation": blocks * quantizers * (one["evaluation"] + applied),
            "attacks": blocks * quantizers * (one["attacks"] + again),
            "joint releases": runs * size.pool * float(self.joint @ [quantizers, quantizers**2]),
        }


def fitted(found: Mapping[Size, Mapping[str, float]]) -> dict[str, NDArray[np.float64]]:
    """Return the coefficients of every part: at least 0, by least squares of relative errors."""
    coefficients = {}
    for name, features in PARTS.items():
        rows = np.array([np.array(features(size)) / seconds[name] for size, seconds in found.items()])
        scale = rows.max(axis=0)
        coefficients[name] = nnls(rows / scale, np.ones(len(rows)))[0] / scale
    return coefficients


def forty() -> tuple[str, ...]:
    """Return forty quantizers of the zoo, evenly spread over its table."""
    names = zoo_names("all")
    return tuple(names[round(place)] for place in np.linspace(0, len(names) - 1, GRID_QUANTIZERS))


def applied(names: tuple[str, ...], size: Size) -> dict[str, float]:
    """Return the seconds by which a block of runs costs more under each quantizer than under ``PLAIN``."""
    data = drawn(size, FEW)
    bank, found = trained(data, runs=FEW), {}
    for name, quantizer in resolve([PLAIN, *names]).items():
        found[name] = clock(lambda q=quantizer: QuantizedBlock(bank, q, data)) * BLOCK_RUNS / FEW
    return {name: found[name] - found[PLAIN] for name in names}


def joint_seconds(pool: int, runs: int, versions: int) -> float:
    """Return the seconds of joint releases of some versions."""
    rng = np.random.default_rng(0)
    members = member_halves(pool, runs, 0)

    def signals() -> Signals:
        margin = rng.normal(size=(runs, pool, 1)).astype(np.float32)
        return Signals(Kind.CLASSIFICATION, margin, margin[..., 0], None, members)

    named = {"float32" if not version else f"v{version}": signals() for version in range(versions)}
    return clock(lambda: attack_versions(named))


def fitted_joint() -> NDArray[np.float64]:
    sizes = [(2000, 16, 3), (2000, 16, 12), (1000, 32, 30), (1000, 32, 45)]
    seconds = np.array([joint_seconds(*size) for size in sizes])
    rows = np.array([[n * r * k, n * r * k**2] for n, r, k in sizes]) / seconds[:, None]
    scale = rows.max(axis=0)
    return nnls(rows / scale, np.ones(len(rows)))[0] / scale


def dimensions(name: str) -> int:
    """Return the dimensions of an encoder's embeddings."""
    encoder = ENCODERS[name]()
    return encoder.dimensions if isinstance(encoder, GraphEncoder) else encoder.encode(["CCO"]).shape[1]


def grid() -> dict[str, list[tuple[str, int, int]]]:
    """Return name, records and labels of the tasks of every source; of uncounted ones the median records."""
    found = {}
    for source, suite in GRID_SUITES.items():
        tasks = [TASKS[name] for name in SUITES[suite].tasks]
        median = int(np.median([task.records for task in tasks if task.records]))
        found[source] = [(task.name, task.records or median, len(task.targets)) for task in tasks]
    return found


def whole_cell(name: str, encoder: str, quantizers: tuple[str, ...], runs: int) -> tuple[Size, float, float]:
    """Return the size of a real cell, the seconds that it takes, and those to embed a molecule of it."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MOLMIS_CACHE"] = f"{folder}/cache"
        settings = Settings(encoder, quantizers, runs, results=Path(folder) / "results", device="cpu")
        cell, flags = plan_cell(get_task(name), DataOptions(), settings)
        cell.encoder.prepare("cpu")
        embedding = clock(lambda: cell_data(cell)) / len(cell.records)
        seconds = clock(lambda: measure_cell(cell, flags, settings))
    return (
        Size(int(POOL * len(cell.records)), dimensions(encoder), cell.records.labels.shape[1]),
        seconds,
        embedding,
    )


def cells_against_model(console: Console, model: Model, more: Mapping[str, float], at: Size) -> None:
    """Print what whole cells of real molecules take, and what the model says of them."""
    chosen = (PLAIN, *list(more)[:: len(more) // 8])
    cells, most = [("chembl2321810", "rdkit2d", 32), ("pains", "ecfp", 16)], 0.0
    for name, encoder, runs in cells:
        size, seconds, embedding = whole_cell(name, encoder, chosen, runs)
        zoo = resolve(["float32", *chosen])
        own = replace(model, dearer=sum(more.get(one, 0.0) for one in zoo) / len(zoo) / at.weights)
        said, most = sum(own.seconds(size, runs, len(zoo)).values()), max(most, embedding)
        console.print(
            f"Whole cell {name}, {encoder}, {runs} runs, {len(zoo)} quantizers: {seconds:.0f} s, by the "
            f"model {said:.0f} s ({said / seconds - 1:+.0%}); embedding {1000 * embedding:.1f} ms a molecule"
        )
    molecules = sum(records for tasks in grid().values() for _, records, _ in tasks) * len(GRID_ENCODERS)
    console.print(
        f"Not in the model: embedding, {molecules * most / 3600:.1f} core-hours of the grid at the slower of "
        "these rates, and the pretraining of an encoder, once"
    )


def report(console: Console, model: Model, errors: Mapping[str, NDArray[np.float64]]) -> None:
    """Print the coefficients with their errors, and the grid."""
    table = Table("part", "seconds for a pool of 1,000, 256 dimensions, 1 label", "error on held-out sizes")
    for name, seconds in model.seconds(Size(1000, 256, 1), BLOCK_RUNS, 1).items():
        error = errors.get(name)
        told = "" if error is None else f"mean {np.abs(error).mean():.0%}, largest {np.abs(error).max():.0%}"
        table.add_row(f"{name}, a block of {BLOCK_RUNS} runs", f"{seconds:.2f}", told)
    console.print(table)
    table = Table("tasks", "cells", *model.seconds(Size(1, 1, 1), 1, 1), "core-hours", "longest last task, h")
    for source, tasks in grid().items():
        parts, last = dict.fromkeys(model.seconds(Size(1, 1, 1), 1, 1), 0.0), {}
        for name, records, targets in tasks:
            for encoder in GRID_ENCODERS:
                size = Size(int(POOL * records), dimensions(encoder), targets)
                cell = model.seconds(size, GRID_RUNS, GRID_QUANTIZERS)
                parts = {part: value + cell[part] / 3600 for part, value in parts.items()}
                last[name] = max(last.get(name, 0.0), (cell["attacks"] + cell["joint releases"]) / 3600)
        longest = max(last, key=lambda name: last[name])
        hours = [f"{value:,.0f}" for value in (*parts.values(), sum(parts.values()))]
        cells = f"{len(tasks) * len(GRID_ENCODERS)}"
        table.add_row(f"{len(tasks)} of {source}", cells, *hours, f"{longest}: {last[longest]:.1f}")
    console.print(table)
    _tasks(console, model)


def _tasks(console: Console, model: Model) -> None:
    """Print the tasks that cost most, and what they take in memory."""
    table = Table("task", "records", "labels", "core-hours of a cell", "margins of all quantizers, GiB")
    encoder, costs = dimensions("gin"), []
    for name, records, targets in (task for tasks in grid().values() for task in tasks):
        size = Size(int(POOL * records), encoder, targets)
        hours = sum(model.seconds(size, GRID_RUNS, GRID_QUANTIZERS).values()) / 3600
        costs.append(
            (hours, name, records, targets, 4 * GRID_RUNS * GRID_QUANTIZERS * size.pool * targets / 2**30)
        )
    costs.sort(reverse=True)
    for hours, name, records, targets, memory in (*costs[:6], costs[len(costs) // 2], costs[-1]):
        table.add_row(name, f"{records:,}", f"{targets}", f"{hours:.1f}", f"{memory:.1f}")
    console.print(table)


def main() -> None:
    """Measure, fit, and print."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    torch.set_num_threads(1)
    console, started = Console(width=150), time.process_time()
    found = {size: measured(size) for size in FITTED}
    at = Size(300, 256, 1)
    names = forty()
    more = applied(names, at)
    model = Model(fitted(found), float(np.mean(list(more.values()))) / at.weights, fitted_joint())
    errors: dict[str, list[float]] = {name: [] for name in PARTS}
    for size in HELD_OUT:
        held = measured(size)
        for name in PARTS:
            errors[name].append(float(model.parts[name] @ PARTS[name](size)) / held[name] - 1)
    report(console, model, {name: np.array(values) for name, values in errors.items()})
    dearest = sorted(more, key=lambda name: -more[name])[:5]
    console.print(
        f"The mean of {len(names)} quantizers takes {np.mean(list(more.values())):.2f} s longer than {PLAIN} "
        f"for a block of heads of {at.weights:,} weights; the dearest: "
        + ", ".join(f"{name} {more[name]:.1f} s" for name in dearest)
    )
    cells_against_model(console, model, more, at)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    console.print(
        f"torch {torch.__version__}, one thread of {os.cpu_count()} cores; this took "
        f"{time.process_time() - started:.0f} processor seconds and {peak:.1f} GiB"
    )


if __name__ == "__main__":
    main()
