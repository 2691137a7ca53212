"""How far figures of one cell lie apart where it is computed again: what verification has to allow.

``python -m benchmarks.verification`` measures cells with one thread, with two, and with another arithmetic,
the plain one instead of the widest vectors of this processor, as another kind of processor would have it. It
prints the largest differences of every column, and what is allowed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmark.results import CellResult, read_cell
from benchmark.tables import summarise
from leaderboard.compare import BOARD, EXACT, KEYS, compute_alike, tolerance
from molecules.cache import cache_dir

CELLS = ("chembl2321810:ecfp", "chembl2321810-active:gin")
#: By name, what of the environment is another. The first is what the others are compared with.
WAYS = {
    "one thread": {"OMP_NUM_THREADS": "1"},
    "two threads": {"OMP_NUM_THREADS": "2"},
    "plain arithmetic": {
        "OMP_NUM_THREADS": "1", "ATEN_CPU_CAPABILITY": "default",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2",
    },
}  # fmt: skip
#: Rooms of the cache that are used again; embeddings are computed anew.
_SHARED = ("data", "encoders", "labels", "records")


def measured(folder: Path, way: str, cell: str, runs: int, shared: Sequence[str] = _SHARED) -> CellResult:
    """Measure a cell in a process of its own, from an empty cache of trained runs."""
    home = folder / way.replace(" ", "-")
    for room in shared:
        there = cache_dir(room).resolve()
        there.mkdir(parents=True, exist_ok=True)
        home.mkdir(parents=True, exist_ok=True)
        if not (home / room).exists():
            (home / room).symlink_to(there)
    task, _, encoder = cell.partition(":")
    results = home / "results" / cell.replace(":", "-")
    command = [sys.executable, "-m", "benchmark.run", "--task", task, "--encoder", encoder]
    command += ["--runs", str(runs), "--results", str(results), "--device", "cpu"]
    subprocess.run(
        command, check=True, capture_output=True, env={**os.environ, **WAYS[way], "MOLMIS_CACHE": str(home)}
    )
    return read_cell(next(results.glob("*.parquet")))


def differences(one: CellResult, two: CellResult) -> list[tuple[str, str, float, float, float, str]]:
    """Return frame, column, largest difference, and those that 99 % and 95 % of the figures stay within."""
    found = []
    for kind in KEYS:
        ours, again = getattr(one, kind), getattr(two, kind)
        for column in ours.columns:
            if column in KEYS[kind] or ours[column].dtype.kind not in "fi":
                continue
            gap = np.abs(ours[column].to_numpy(float) - again[column].to_numpy(float))
            gap = gap[np.isfinite(gap)]
            if len(gap) and gap.max() > 0:
                allowed = "0" if column in EXACT else str(tolerance(str(column)))
                parts = (float(np.quantile(gap, share)) for share in (1.0, 0.99, 0.95))
                found.append((kind, str(column), *parts, allowed))
    tables = [summarise(result) for result in (one, two)]
    for column, allowance in BOARD.items():
        gap = (tables[0][column] - tables[1][column]).abs()
        scale = (
            np.maximum(tables[0][column].abs(), 1e-12) if allowance.relative and not allowance.absolute else 1
        )
        largest = float((gap / scale).max())
        if largest > 0:
            found.append(("board", column, largest, float("nan"), float("nan"), str(allowance)))
    return found  # type: ignore[return-value]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=16)
    parser.add_argument("--own-encoders", action="store_true", help="pretrain the encoder every time, too")
    given = parser.parse_args()
    runs, shared = given.runs, [room for room in _SHARED if room != "encoders" or not given.own_encoders]
    with tempfile.TemporaryDirectory() as name:
        for cell in CELLS:
            first, *others = (measured(Path(name), way, cell, runs, shared) for way in WAYS)
            for way, result in zip([*WAYS][1:], others, strict=True):
                found = differences(first, result)
                alike = compute_alike(first, result)
                print(f"\n{cell}, {runs} runs, {way}: {'the same to the last digit' if not found else ''}")
                print(f"heads alike: {alike}", flush=True)
                for kind, column, *gaps, allowed in found:
                    shown = " ".join(f"{gap:10.2g}" for gap in gaps)
                    print(f"  {kind:14} {column:24} {shown}   allowed {allowed}")


if __name__ == "__main__":
    main()
