"""Time and peak memory of the main job as whole processes: ``python -m benchmarks.main_job``.

Runs the command line in fresh processes with a cache and a results store of their own, so nothing but the
pretrained encoder is reused: the embedded default at its default preset (what a second ``make run`` does
when results are removed), and tox21 at ``--preset quick`` where its file is found. ``--cold`` pretrains the
encoder too. ``--zoo`` runs every quantizer there is on 256 runs instead, without attacks and with them; it
takes some twenty minutes, and ``--csv`` writes what it took by the clock beside ten minutes.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.process_memory import Memory
from benchmarks.ratio import Ratio, write
from molecules.cache import cache_dir
from molecules.threads import allowed_threads

JOBS = {
    "default task, standard preset": [],
    "tox21, quick preset": ["--task", "tox21", "--preset", "quick"],
}
_ZOO = ["--task", "chembl2321810-active", "--quantizers", "all", "--runs", "256"]
ZOO_JOBS = {"whole zoo, 256 runs, no attacks": [*_ZOO, "--no-attacks"], "whole zoo, 256 runs": _ZOO}
#: Seconds that the whole zoo is to take at most.
ZOO_SECONDS = 600.0


def measure(arguments: list[str], warm: bool) -> tuple[float, float, str]:
    """Return wall seconds, peak memory in GiB, and the error if the job failed."""
    with tempfile.TemporaryDirectory() as folder:
        if warm:
            shutil.copytree(cache_dir("encoders"), Path(folder) / "cache" / "encoders")
        environment = {**os.environ, "MOLMIS_CACHE": str(Path(folder) / "cache")}
        command = [sys.executable, "-m", "benchmark.run", *arguments, "--results", f"{folder}/results"]
        started = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--out", f"{folder}/out"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        memory = Memory(psutil.Process(process.pid))
        _, said = process.communicate()
        peak = memory.end() / 2**10
        seconds = time.perf_counter() - started
    return seconds, peak, "" if process.returncode == 0 else said.strip().splitlines()[-1]


def main() -> None:
    """Measure every job and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cold", action="store_true", help="pretrain the encoder too")
    parser.add_argument("--zoo", action="store_true", help="every quantizer on 256 runs")
    parser.add_argument("--csv", type=Path, help="file of ratios to write those of --zoo to")
    given = parser.parse_args()
    if given.csv and not given.zoo:
        parser.error("--csv is of --zoo")
    cold = given.cold
    if not cold and not any(cache_dir("encoders").glob("*.safetensors")):
        sys.exit("error: the encoder is not pretrained yet; run python -m benchmark.run once, or give --cold")
    table = Table("job", "encoder", "wall s", "peak GiB", "note")
    ratios = []
    for name, arguments in (ZOO_JOBS if given.zoo else JOBS).items():
        seconds, peak, note = measure(arguments, warm=not cold)
        if not note:
            figure = f"{name}, {allowed_threads()} cores"
            ratios.append(Ratio(figure, seconds, ZOO_SECONDS, "to be reached", "s by the clock"))
        table.add_row(name, "pretrained here" if cold else "cached", f"{seconds:.1f}", f"{peak:.2f}", note)
    Console().print(table)
    if given.csv:
        write(given.csv, ratios)


if __name__ == "__main__":
    main()
