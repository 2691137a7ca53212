"""Molecules per second from graphs to embeddings, of every graph encoder, and memory by their number.

Run ``python -m benchmarks.embedding`` from the root of the checkout. Weights are not pretrained: they do not
change the time. Memory is the peak of a process of its own that streams ``n`` and ``4 n`` SMILES from a CSV
file through ``gin``, featurization included. ``--pretraining`` also pretrains every encoder, in a cache of
its own, and prints the time and how well molecules that were held out are done.
"""

import argparse
import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from models.encoders.base import ENCODERS, EncoderState
from models.encoders.graph_encoder import EMBED_BATCH, GraphEncoder
from models.encoders.objective_name import Objective
from models.encoders.pretraining import embed_graphs
from models.encoders.pretraining_molecules import pretraining_smiles
from molecules.graphs import Graphs, featurize
from molecules.progress import SILENT


def graph_encoders() -> dict[str, type[GraphEncoder]]:
    """Return the graph encoders, by name."""
    return {name: kind for name, kind in ENCODERS.items() if issubclass(kind, GraphEncoder)}


def rate(encoder: GraphEncoder, graphs: Graphs, repeats: int) -> tuple[float, float]:
    """Return molecules per second, and per second of the processor, of the best of some turns."""
    network = encoder.network().eval()
    network.look_at(graphs)
    with torch.no_grad():
        network(graphs.batch(0, EMBED_BATCH))  # the first batch also loads libraries
    turns = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        embed_graphs(network, graphs, batch=EMBED_BATCH)
        turns.append((time.perf_counter() - wall, time.process_time() - cpu))
    return len(graphs) / min(wall for wall, _ in turns), len(graphs) / min(cpu for _, cpu in turns)


def streamed(path: Path) -> Iterator[str]:
    """Yield the SMILES of a CSV file, row by row."""
    with path.open(newline="") as stream:
        rows = csv.reader(stream)
        next(rows)
        yield from (row[0] for row in rows)


def peak_of_stream(path: Path) -> None:
    """Embed a CSV file block by block, and print molecules and the peak of this process in MiB."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    encoder = graph_encoders()["gin"]()
    encoder.restore(_random_state(encoder))
    count = sum(len(block) for block in encoder.stream(streamed(path)))
    print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def peaks(smiles: list[str], counts: list[int]) -> dict[int, float]:
    """Return the peak in MiB of processes that embed so many molecules."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            path = Path(folder) / "molecules.csv"
            with path.open("w", newline="") as stream:
                writer = csv.writer(stream)
                writer.writerow(["smiles"])
                writer.writerows([smiles[row % len(smiles)]] for row in range(count))
            command = [sys.executable, "-m", "benchmarks.embedding", "--peak-of", str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            embedded, peak = done.stdout.split()
            if int(embedded) != count:
                raise RuntimeError(f"{embedded} of {count} molecules were embedded")
            found[count] = float(peak)
    return found


class Scores:
    """Keeps what pretraining says of held-out molecules."""

    stage = staticmethod(SILENT.stage)

    def __init__(self) -> None:
        self.said = ""

    def note(self, message: str) -> None:
        if "held-out" in message:
            self.said = message.removeprefix("encoder: ")


def pretrain(name: str, objective: Objective) -> str:
    """Pretrain an encoder in the cache of the environment; return times and score."""
    kind, scores = graph_encoders()[name], Scores()
    encoder = kind(pretraining=replace(kind.usual, objective=objective))
    wall, cpu = time.perf_counter(), time.process_time()
    encoder.prepare(progress=scores)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return f"{name:14s}{objective:14s}{wall:8.0f} s{cpu:10.0f} s of processors   {scores.said}"


def _random_state(encoder: GraphEncoder) -> EncoderState:
    """Return a state of random weights."""
    ones = torch.ones(encoder.dimensions)
    scale = {"embedding.centre": ones, "embedding.spread": ones}
    return EncoderState({**encoder.network().state_dict(), **scale})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--encoders", nargs="+", default=list(graph_encoders()), help="default: all of graphs"
    )
    parser.add_argument(
        "--molecules", type=int, default=20_000, help="embedded for the rate (default: 20000)"
    )
    parser.add_argument("--repeats", type=int, default=5, help="turns, of which the best counts (default: 5)")
    parser.add_argument("--memory", type=int, default=50_000, help="n of the memory; 0 leaves it out")
    parser.add_argument(
        "--pretraining", action="store_true", help="also pretrain every encoder (minutes each)"
    )
    parser.add_argument("--objective", default="descriptors", choices=[o for o in Objective if o != "none"])
    parser.add_argument("--peak-of", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peak_of is not None:
        peak_of_stream(given.peak_of)
        return
    threads = int(os.environ.get("OMP_NUM_THREADS", "2"))
    torch.set_num_threads(threads)
    known = pretraining_smiles()
    smiles = [known[row % len(known)] for row in range(given.molecules)]
    graphs = featurize(smiles)
    print(
        f"{len(smiles):,} molecules, {threads} threads, the best of {given.repeats} turns, graphs made before"
    )
    print(f"{'encoder':14s}{'parameters':>12s}{'molecules/s':>14s}{'per processor second':>24s}", flush=True)
    for name in given.encoders:
        encoder = graph_encoders()[name]()
        wall, cpu = rate(encoder, graphs, given.repeats)
        print(f"{name:14s}{encoder.parameters:12,}{wall:14,.0f}{cpu:24,.0f}", flush=True)
    if given.memory:
        for count, peak in peaks(known, [given.memory, 4 * given.memory]).items():
            print(f"{count:,} SMILES streamed from a CSV file through gin: peak {peak:,.0f} MiB", flush=True)
    if given.pretraining:
        with tempfile.TemporaryDirectory() as cache:
            os.environ["MOLMIS_CACHE"] = cache
            for name in given.encoders:
                print(pretrain(name, Objective(given.objective)), flush=True)


if __name__ == "__main__":
    main()
