"""Time and peak memory of the main job as whole processes: ``python -m benchmarks.main_job``.

Runs the command line in fresh processes with a cache and a results store of their own, so nothing but the
pretrained encoder is reused: the embedded default at its default preset (what a second ``make run`` does
when results are removed), and tox21 at ``--preset quick`` where its file is found. ``--cold`` pretrains the
encoder too.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from molecules.cache import cache_dir

JOBS = {
    "default task, standard preset": [],
    "tox21, quick preset": ["--task", "tox21", "--preset", "quick"],
}


def measure(arguments: list[str], warm: bool) -> tuple[float, float, str]:
    """Return wall seconds, peak memory in GiB, and the error if the job failed."""
    with tempfile.TemporaryDirectory() as folder:
        if warm:
            shutil.copytree(cache_dir("encoders"), Path(folder) / "cache" / "encoders")
        environment = {**os.environ, "MOLMIS_CACHE": str(Path(folder) / "cache")}
        command = [sys.executable, "-m", "benchmark.run", *arguments, "--results", f"{folder}/results"]
        started = time.perf_counter()
        done = subprocess.run(
            [*command, "--out", f"{folder}/out"], env=environment, capture_output=True, text=True
        )
        seconds = time.perf_counter() - started
    # of all children so far: jobs run from small to large, so the newest is the largest
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    return seconds, peak, "" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def main() -> None:
    """Measure every job and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cold", action="store_true", help="pretrain the encoder too")
    cold = parser.parse_args().cold
    if not cold and not any(cache_dir("encoders").glob("*.safetensors")):
        sys.exit("error: the encoder is not pretrained yet; run python -m benchmark.run once, or give --cold")
    table = Table("job", "encoder", "wall s", "peak GiB", "note")
    for name, arguments in JOBS.items():
        seconds, peak, note = measure(arguments, warm=not cold)
        table.add_row(name, "pretrained here" if cold else "cached", f"{seconds:.1f}", f"{peak:.2f}", note)
    Console().print(table)


if __name__ == "__main__":
    main()
