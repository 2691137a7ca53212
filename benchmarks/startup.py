"""How long help and lists take: ``python -m benchmarks.startup``.

Fresh processes, seconds of the processor, the least of some turns; beside them what Python and NumPy alone
take to start.
"""

import argparse
import resource
import subprocess
import sys
from functools import partial
from pathlib import Path

from benchmarks.ratio import Ratio, in_turns, write

COMMANDS = (
    "benchmark.run --help",
    *(f"benchmark.run --list {what}" for what in ("tasks", "encoders", "quantizers", "suites")),
    *(f"leaderboard.{name} --help" for name in ("submit", "verify", "export")),
)
#: Seconds within which an answer is to be there.
WANTED = 0.7


def seconds(arguments: list[str], turns: int) -> float:
    """Return the least processor time of a process."""
    command = [sys.executable, *arguments]
    call = partial(subprocess.run, command, check=True, stdout=subprocess.DEVNULL)
    return in_turns({"command": call}, turns, _of_children)["command"]


def _of_children() -> float:
    """Return the processor time of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(turns: int) -> list[Ratio]:
    """Measure every command, beside what is to be reached."""
    return [
        Ratio(f"molmis {command}", seconds(["-m", *command.split()], turns), WANTED, "to be reached", "s")
        for command in COMMANDS
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=5, help="of which the best counts (default: 5)")
    parser.add_argument("--csv", type=Path, help="file of ratios to write to")
    given = parser.parse_args()
    for name, code in {"Python": "pass", "NumPy": "import numpy"}.items():
        print(f"{name + ' alone':40s}{seconds(['-c', code], given.turns):8.2f} s")
    ratios = measure(given.turns)
    for ratio in ratios:
        print(f"{ratio.figure.removeprefix('molmis '):40s}{ratio.ours:8.2f} s")
    if given.csv:
        write(given.csv, ratios)


if __name__ == "__main__":
    main()
