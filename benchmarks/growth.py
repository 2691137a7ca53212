"""How time and memory of the audit grow: ``python -m benchmarks.growth``.

One size at a time grows, all others stay: runs, records that the plain indicator is evaluated on, quantizers,
snapshots. Every size is a process of its own with one thread; told are seconds of the processor, peak memory
beyond what the loaded program and the records take, and the exponent of a power law through each. Nothing is
raced: every candidate is evaluated on every record.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.audit import HEAD, ours, problem
from benchmarks.ratio import Ratio, write

#: By what grows, its sizes.
SIZES = {
    "runs": (16, 64, 256),
    "records": (2_000, 8_000, 32_000),
    "quantizers": (4, 12, 36),
    "snapshots": (10, 40, 160),
}
#: Exponents of the time that are to be reached, and of the memory where it must not grow.
WANTED = {"runs": 1.05, "records": 1.05, "quantizers": 1.0, "snapshots": 1.05}


@dataclass(frozen=True)
class Size:
    """Sizes of an audit; one run is a snapshot after every epoch."""

    runs: int = 16
    records: int = 2_000
    quantizers: int = 4
    snapshots: int = 20


def audit(size: Size) -> tuple[float, float]:
    """Run an audit; return seconds of the processor, and the peak of memory it added in MiB."""
    torch.set_num_threads(1)
    ours(problem(2, 64, ("sign",), replace(HEAD, epochs=2)), race=False)  # loads what is loaded once
    # of one kind, so that all take alike
    names = [f"ternary:sparsity={0.2 + 0.015 * place:.3f}" for place in range(size.quantizers)]
    made = problem(size.runs, size.records, names, replace(HEAD, epochs=size.snapshots))
    before, started = _peak(), time.process_time()
    ours(made, race=False)
    return time.process_time() - started, _peak() - before


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(size: Size) -> tuple[float, float]:
    """Return what :func:`audit` tells in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.growth", "--one", json.dumps(asdict(size))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, mebibytes = json.loads(done.stdout)
    return seconds, mebibytes


def grown(by: Sequence[str]) -> pd.DataFrame:
    """Return a row for every size of what grows: ``by, size, seconds, MiB``."""
    rows = []
    for name in by:
        for value in SIZES[name]:
            rows.append([name, value, *measured(replace(Size(), **{name: value}))])
            print("{:12s}{:8,}{:10.2f} s{:10.0f} MiB".format(*rows[-1]), flush=True)
    return pd.DataFrame(rows, columns=["by", "size", "seconds", "MiB"])


def exponents(frame: pd.DataFrame) -> pd.DataFrame:
    """Return, by what grows, the exponents of time and memory: slopes of logarithms, by least squares."""
    found = {}
    for name, rows in frame.groupby("by", sort=False):
        size = np.log(rows["size"])
        found[name] = {part: np.polyfit(size, np.log(rows[part]), 1)[0] for part in ("seconds", "MiB")}
    return pd.DataFrame(found).T.rename_axis("by").reset_index()


def ratios(frame: pd.DataFrame) -> list[Ratio]:
    """Return the exponents beside those that are to be reached."""
    return [
        Ratio(f"time by {row.by}", row.seconds, WANTED[row.by], "exponent to be reached", "exponent")
        for row in exponents(frame).itertuples()
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--by", nargs="+", default=list(SIZES), choices=list(SIZES), help="what grows")
    parser.add_argument("--csv", type=Path, help="file of ratios to write to")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(audit(Size(**json.loads(given.one)))))
        return
    frame = grown(given.by)
    for row in exponents(frame).itertuples():
        print(
            f"by {row.by:12s} time {row.seconds:5.2f} (at most {WANTED[row.by]:.2f}), memory {row.MiB:5.2f}"
        )
    if given.csv:
        write(given.csv, ratios(frame))


if __name__ == "__main__":
    main()
