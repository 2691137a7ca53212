"""A file of a million molecules through ``python -m models.embed``: ``python -m benchmarks.streaming``.

The file is made first: molecules of ``$MOLMIS_DATA`` (or of the folder beside the checkout) and of RDKit's
own files, over and over, each time written in another random way, every fiftieth as a salt, every hundredth
unreadable. Then the first sixteenth, the first quarter and all of it are embedded, each by a command of its
own, and told are rows per second, seconds of the processor, and the peak memory of the command and all its
workers together; beside them, how fast RDKit parses the same rows and does nothing else. The exponent of the
time leaves out what the start takes. The encoder is pretrained before, in the usual way. ``--csv`` writes
figures to the file of ratios; ``--rows 1000000`` is the size that docs/embed.md tells of, the usual one is
smaller.
"""

import argparse
import csv
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import psutil
from rdkit import Chem, rdBase

from benchmarks.process_memory import Memory
from benchmarks.ratio import Ratio, write
from models.encoders.base import ENCODERS
from models.encoders.pretraining_molecules import pretraining_smiles
from molecules.errors import DataError
from molecules.parse import parse_all
from tasks.locate import folders
from tasks.table_stream import TableStream
from tasks.task import DataOptions

#: Parts of the file that are embedded.
SHARES = (16, 4, 1)
#: Exponent of the time that is to be reached.
WANTED = 1.0
#: Most rows of a part; less where the first turn would have too few for all workers.
PART_SIZE = 20_000
#: Rows that RDKit parses for comparison.
_PARSED = 20_000
#: Rows of which less would be lost in the time of the start.
_FEWEST = 32_000
#: Rows that are embedded to see how long the start takes: several for each worker.
_FEW = 64
#: Every so many rows are a salt, or nothing that can be read.
SALT, UNREADABLE = 50, 100


@dataclass(frozen=True)
class Turn:
    """One command: rows, seconds by the clock and of the processor, and peak memory in MiB."""

    rows: int
    wall: float
    processor: float
    peak: float


def known() -> list[str]:
    """Return SMILES that are all different, in an order that is always the same and no order of a source."""
    found = dict.fromkeys(pretraining_smiles())
    for folder in folders(DataOptions()):
        for path in sorted([*folder.rglob("*.csv"), *folder.rglob("*.csv.gz")]):
            with suppress(DataError):
                table = TableStream.of(path)
                found |= dict.fromkeys(text for (text,) in table.rows([table.smiles_column()]))
    texts = sorted(found)
    random.Random(0).shuffle(texts)
    return texts


def written(rows: int) -> Iterator[tuple[int, str]]:
    """Yield number and SMILES of every row."""
    texts = known()
    with rdBase.BlockLogs():
        for row in range(rows):
            text = texts[row % len(texts)]
            mol = Chem.MolFromSmiles(text)
            if mol is not None and mol.GetNumAtoms():
                (text,) = Chem.MolToRandomSmilesVect(mol, 1, randomSeed=row + 1)
            if row % UNREADABLE == UNREADABLE - 1:
                text = f"{text}(" if row % (2 * UNREADABLE) == UNREADABLE - 1 else ""
            elif row % SALT == SALT // 2:
                text = f"{text}.Cl"
            yield row, text


def make(path: Path, rows: int) -> None:
    """Write the file, and beside it its first parts."""
    streams = [path.with_suffix(f".{share}.csv").open("w", newline="") for share in SHARES]
    writers = [csv.writer(stream) for stream in streams]
    for writer in writers:
        writer.writerow(["id", "smiles"])
    for row, text in written(rows):
        for share, writer in zip(SHARES, writers, strict=True):
            if row < rows // share:
                writer.writerow([f"m{row}", text])
    for stream in streams:
        stream.close()


def embed(path: Path, rows: int, options: list[str], out: Path) -> Turn:
    """Embed a file by a command of its own."""
    before, started = _processor(), time.perf_counter()
    command = [sys.executable, "-m", "models.embed", str(path), "--out", str(out), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    memory = Memory(psutil.Process(process.pid))
    said, _ = process.communicate()
    peak = memory.end()
    if process.returncode:
        raise SystemExit(process.returncode)
    print(said.splitlines()[0], flush=True)
    return Turn(rows, time.perf_counter() - started, _processor() - before, peak)


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def start(path: Path, options: list[str], out: Path) -> float:
    """Return the seconds of the processor that it takes until all workers can begin: of a few rows alone."""
    with path.open() as stream:
        lines = list(islice(stream, 1 + _FEW))
    few = path.with_name("few.csv")
    few.write_text("".join(lines))
    return embed(few, _FEW, [*options, "--part-size", "1"], out).processor


def exponent(turns: list[Turn], started: float) -> float:
    """Return the exponent of a power law through seconds of the processor, the start taken off."""
    seconds = [turn.processor - started for turn in turns]
    return float(np.polyfit(np.log([turn.rows for turn in turns]), np.log(seconds), 1)[0])


def parsed(path: Path) -> float:
    """Return rows per second of the processor of RDKit's parser on the first rows of a file."""
    texts = [text for (text,) in islice(TableStream.of(path).rows(["smiles"]), _PARSED)]
    started = time.process_time()
    parse_all(texts)
    return len(texts) / (time.process_time() - started)


def ratios(turns: list[Turn], started: float, encoder: str, parsing: float) -> list[Ratio]:
    """Return figures beside those that are to be reached, and beside RDKit's parsing alone."""
    first, last = turns[0], turns[-1]
    name = f"{last.rows:,} rows of CSV embedded by {encoder}"
    memory = f"{first.rows:,} rows"
    return [
        Ratio(f"{name}, one core", last.rows / last.processor, parsing, "RDKit parsing alone", "molecules/s"),
        Ratio(
            f"{name}: time by rows", exponent(turns, started), WANTED, "exponent to be reached", "exponent"
        ),
        Ratio(f"{name}: peak memory", last.peak / 1024, first.peak / 1024, memory, "GiB"),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=128_000, help="of the whole file (default: 128000)")
    parser.add_argument("--encoder", default="gin", help="default: gin")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--csv", type=Path, help="file of ratios to write to")
    given = parser.parse_args()
    if given.rows < _FEWEST:
        parser.error(f"--rows: at least {_FEWEST:,}, or the start is all that is seen")
    ENCODERS[given.encoder]().prepare()
    turns = []
    with tempfile.TemporaryDirectory() as name:
        folder, started = Path(name), time.perf_counter()
        make(folder / "library.csv", given.rows)
        print(f"{given.rows:,} rows written in {time.perf_counter() - started:.0f} s", flush=True)
        parsing = parsed(folder / f"library.{SHARES[-1]}.csv")
        print(f"RDKit parses {parsing:,.0f} rows in a second of the processor", flush=True)
        size = min(PART_SIZE, max(1, given.rows // SHARES[0] // (2 * given.workers)))
        options = ["--encoder", given.encoder, "--workers", str(given.workers), "--part-size", str(size)]
        options += ["--id-column", "id", "--device", "cpu"]
        begun = start(folder / f"library.{SHARES[0]}.csv", options, folder / "few")
        print(f"the start takes {begun:.1f} s of the processor", flush=True)
        for share in SHARES:
            rows, out = given.rows // share, folder / f"out-{share}"
            turn = embed(folder / f"library.{share}.csv", rows, options, out)
            turns.append(turn)
            disk = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 2**20
            print(
                f"{turn.rows:10,} rows: {turn.wall:7.1f} s, {turn.rows / turn.wall:8,.0f} rows/s; of the "
                f"processor {turn.processor:7.1f} s, {turn.rows / turn.processor:8,.0f} rows/s; peak "
                f"{turn.peak:6,.0f} MiB; written {disk:6,.0f} MiB",
                flush=True,
            )
    grown = turns[-1].peak / turns[0].peak
    print(f"time grows by an exponent of {exponent(turns, begun):.2f}, memory {grown:.2f} times")
    if given.csv:
        write(given.csv, ratios(turns, begun, given.encoder, parsing))


if __name__ == "__main__":
    main()
