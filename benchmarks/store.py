"""Whether the results store survives being killed: ``python -m benchmarks.store``.

In every round several processes write cells into one store at once, cells of their own and cells that all of
them write, each time with other figures, until each is killed (SIGKILL) at a random moment. A process says
that a cell is written only after it is. One more process reads cells all the time. After every round each
file of the store is read again, and after the last the board is made:

* lost: cells that were said to be written and whose rows are neither in the store nor in its history;
* doubled: cells that stand in the store, or on its board, more than once;
* torn: files under a name of their own that are not whole, also those the reader came upon;
* left: parts of files that killed processes left behind, hidden, which nobody reads;
* unpaired: cells whose writer was killed between a frame beside and the rows; the board says so.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.store_study import stress


def main() -> None:
    """Run the rounds and print what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tally = stress(Path(folder) / "results", asked.processes, asked.rounds, asked.seed)
    names = ("rounds", "killed", "written", "lost", "doubled", "torn", "left", "unpaired")
    table = Table(*names)
    values = [getattr(tally, name) for name in names]
    table.add_row(*(str(len(value) if isinstance(value, list) else value) for value in values))
    Console().print(table)
    for line in (*tally.lost, *tally.doubled, *tally.torn):
        print(line)
    sys.exit(1 if tally.lost or tally.doubled or tally.torn else 0)


if __name__ == "__main__":
    main()
