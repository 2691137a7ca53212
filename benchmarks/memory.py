"""The memory that a cell is told to take against what processes take: ``python -m benchmarks.memory``.

Training a block, evaluating it under a quantizer and attacking it, each in a process of its own, for several
shapes of heads and for encoders that are trained with them (``--trained``: these alone); and evaluating one
shape under every quantizer of the zoo (``--zoo``). Told is the peak of resident memory less what the process
had before, without the file of the snapshots, which the system takes away from memory when that is short; the
estimate of :mod:`benchmark.memory`; and told / measured. Linux only.
"""

import argparse
import ctypes
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from benchmark.attack import attack_quantizers, traced
from benchmark.calibration import RECORDS
from benchmark.cell_data import CellData
from benchmark.evaluate_block import evaluate_block
from benchmark.memory import SHOWN, Need, Sizes
from benchmark.releases import attack_releases
from benchmark.tuned_data import Part, TunedData
from models.bank_file import load_bank, save_bank
from models.encoders.base import ENCODERS
from models.encoders.graph_encoder import GraphEncoder
from models.encoders.pretraining import pretraining_smiles
from models.encoders.tuning import Tuning, backward_bytes
from models.heads import Bank, HeadConfig, Heads
from models.quantizers.zoo import resolve
from models.train_bank import train_block
from molecules.graphs import featurize
from tasks.task import Kind

#: Heads of 0.1 to 2 GiB: the bank decides, then the records, the labels, the batch, and few runs.
CASES = {
    "512, 512": Sizes(16, 300, 1, 256, 64, HeadConfig((512, 512))),
    "1024": Sizes(16, 1024, 1, 256, 64, HeadConfig((1024,), epochs=10)),
    "2 runs": Sizes(2, 1024, 1, 256, 64, HeadConfig((1024, 1024))),
    "4 epochs": Sizes(16, 1024, 1, 256, 64, HeadConfig((1024, 512), epochs=4)),
    "20,000 records": Sizes(16, 64, 1, 20_000, 1000, HeadConfig((512,), epochs=2)),
    "200 labels": Sizes(16, 64, 200, 6000, 1000, HeadConfig((64,), epochs=2)),
    "large batches": Sizes(16, 64, 1, 8192, 64, HeadConfig((512, 512), epochs=2, batch_size=4096)),
    "dropout": Sizes(16, 64, 1, 8192, 64, HeadConfig((512, 512), epochs=2, batch_size=4096, dropout=0.2)),
}
#: Encoders that are trained with heads, and how: the bank decides, then batches, then attacks on more runs.
TRAINED = {
    "gin": ("gin", Sizes(16, 256, 1, 256, 64, HeadConfig(epochs=10))),
    "gin, batches": ("gin", Sizes(16, 256, 1, 512, 64, HeadConfig(epochs=2, batch_size=128))),
    "gin, 64 runs": ("gin", Sizes(64, 256, 1, 128, 64, HeadConfig(epochs=3))),
    "attentivefp": ("attentivefp", Sizes(16, 256, 1, 128, 64, HeadConfig(epochs=4))),
}
PHASES = ("training", "evaluating", "attacking")
MIB = 2**20


def estimate(sizes: Sizes, phase: str, quantizer: str) -> Need:
    """Return what is told of a phase."""
    if phase == "training":
        return sizes.training()
    member = resolve([quantizer])[quantizer]
    return sizes.evaluating(member) if phase == "evaluating" else sizes.attacking(member, 2)


def measured(sizes: Sizes, phase: str, quantizer: str, trained: str = "") -> int:
    """Return the bytes that a process of its own takes for a phase; with encoders of a name, or none."""
    told = json.dumps({**asdict(sizes), "phase": phase, "quantizer": quantizer, "trained": trained})
    command = [sys.executable, "-m", "benchmarks.memory", "--of", told]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout)


def peak_of(told: dict) -> int:
    """Do a phase in this process, and return what it took at its peak, in bytes."""
    torch.set_num_threads(1)
    phase, quantizer = told.pop("phase"), resolve([told["quantizer"]])[told.pop("quantizer")]
    head, trained = told.pop("head"), told.pop("trained")
    sizes = Sizes(head=HeadConfig(**{**head, "hidden": tuple(head["hidden"])}), **told)
    data = _data(sizes, trained)
    _phase(phase, _bank(sizes, HeadConfig((2,), epochs=2), data), quantizer, data, HeadConfig((2,), epochs=1))
    ctypes.CDLL(None).malloc_trim(0)  # what the first call took and freed is not there to be used again
    with tempfile.TemporaryDirectory() as folder:
        bank = None
        if phase != "training":
            save_bank(Path(folder) / "bank", _bank(sizes, sizes.head, data), "key")
            bank = load_bank(Path(folder) / "bank", "key")  # read whole, so that its file is in memory
        _reset_peak()
        before = _memory("VmRSS")
        kept = _phase(phase, bank, quantizer, data, sizes.head)
        peak = _memory("VmHWM") - before
        del kept
    return peak


def _phase(phase: str, bank: Bank | None, quantizer: object, data: CellData, head: HeadConfig) -> object:
    if phase == "training":
        return train_block(
            data.kind, data.training(Part.POOL), data.pool_labels, data.members[:16], head, 0, 0
        )
    if phase == "evaluating":
        return evaluate_block(bank, quantizer, data)
    blocks = -(-len(data.members) // len(bank.centre))
    held, both = [traced(bank) for _ in range(blocks)], {**resolve(["float32"]), "": quantizer}
    found = dict(attack_quantizers(both, data, held))
    return attack_releases(both, data, held, {name: tried.published for name, tried in found.items()})


def _data(sizes: Sizes, trained: str) -> CellData:
    rng = np.random.default_rng(0)
    inputs = [
        torch.from_numpy(rng.standard_normal((rows, sizes.dimensions), dtype=np.float32))
        for rows in (sizes.pool, sizes.test, RECORDS)
    ]
    labels = [
        torch.from_numpy((rng.random((rows, sizes.targets)) < 0.3).astype(np.float32))
        for rows in (sizes.pool, sizes.test)
    ]
    half = np.arange(sizes.pool) < sizes.pool // 2
    members = np.stack([rng.permutation(half) for _ in range(sizes.runs)])
    pool, test, public = inputs
    data = CellData(Kind.CLASSIFICATION, pool, labels[0], test, labels[1], members, public=public)
    if not trained:
        return data
    encoder = _encoder(trained)
    unit = torch.zeros(sizes.dimensions), torch.ones(sizes.dimensions)
    places = np.arange(sizes.pool + sizes.test)
    parts = {Part.POOL: places[: sizes.pool], Part.TEST: places[sizes.pool :]}
    graphs = featurize(_molecules(sizes))
    return replace(data, tuned=TunedData(Tuning(encoder.network(), *unit, "cpu"), graphs, parts, True))


def _encoder(name: str) -> GraphEncoder:
    encoder = ENCODERS[name]()
    if not isinstance(encoder, GraphEncoder):
        raise TypeError(f"{name} cannot be trained")
    return encoder


def _molecules(sizes: Sizes) -> list[str]:
    return pretraining_smiles()[: sizes.pool + sizes.test]


def _with_encoders(sizes: Sizes, name: str) -> Sizes:
    """Return the sizes where an encoder is trained with every head, and quantized with it."""
    encoder, shown = _encoder(name), featurize(_molecules(sizes)[:SHOWN])
    molecule = backward_bytes(encoder.network(), shown) // len(shown)
    return replace(sizes, encoder=encoder.parameters, molecule=molecule, quantized=True)


def _bank(sizes: Sizes, head: HeadConfig, data: CellData) -> Bank:
    """Return a block of heads of random weights, and of encoders."""
    lead = (sizes.block, len(head.steps_kept(sizes.pool // 2)))
    widths = [sizes.dimensions, *head.hidden, sizes.targets]
    weights = tuple(torch.randn(*lead, out, own) / own**0.5 for own, out in pairwise(widths))
    biases = tuple(torch.zeros(*lead, out) for out in widths[1:])
    shape = (sizes.block, sizes.targets)
    encoders = {}
    if data.tuned is not None:
        initial = data.tuned.tuning.initial(sizes.block)
        encoders = {n: v[:, None].expand(*lead, *v.shape[1:]).clone() for n, v in initial.items()}
    return Bank(Heads(weights, biases), torch.zeros(shape), torch.ones(shape), 0, encoders)


def _reset_peak() -> None:
    """Begin to measure the peak anew."""
    Path("/proc/self/clear_refs").write_text("5")


def _memory(name: str) -> int:
    """Return what Linux says of the memory of this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def jobs(zoo: bool, trained: bool) -> Iterator[tuple[str, Sizes, str, str, str]]:
    """Yield what is measured: the name of a case, its sizes, the phase, the quantizer and the encoder."""
    for name, sizes in () if trained else CASES.items():
        for phase in PHASES:
            yield name, sizes, phase, "uniform-4", ""
    for name, (encoder, sizes) in TRAINED.items():
        for phase in PHASES:
            yield name, _with_encoders(sizes, encoder), phase, "uniform-4", encoder
    if trained:
        return
    many = Sizes(64, 300, 1, 256, 64, HeadConfig((512, 512)))
    yield "64 runs", many, "attacking", "uniform-4", ""
    for quantizer in resolve(["all"]) if zoo else ("float32", "gptq-4", "kmeans-4"):
        if quantizer.startswith("adaround"):  # holds what GPTQ holds, and learns for an hour
            continue
        yield "512, 512", CASES["512, 512"], "evaluating", quantizer, ""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--zoo", action="store_true", help="evaluate one shape under every quantizer")
    parser.add_argument("--trained", action="store_true", help="encoders that are trained with heads alone")
    parser.add_argument("--of", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.of is not None:
        print(peak_of(json.loads(given.of)))
        return
    print(f"{'models':16s}{'phase':12s}{'quantizer':20s}{'measured MiB':>14s}{'told MiB':>12s}{'ratio':>8s}")
    for name, sizes, phase, quantizer, encoder in jobs(given.zoo, given.trained):
        found, told = measured(sizes, phase, quantizer, encoder), estimate(sizes, phase, quantizer).total
        figures = f"{found / MIB:14,.0f}{told / MIB:12,.0f}{told / found:8.2f}"
        print(f"{name:16s}{phase:12s}{quantizer:20s}{figures}", flush=True)


if __name__ == "__main__":
    main()
