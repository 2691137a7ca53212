"""What the sandbox costs: ``python -m benchmarks.sandbox``.

Three files quantize a bank of 16 runs x 20 snapshots of 64 x 256 weights, in the sandbox and without it: the
function of docs/extending.md that returns levels and codes, one that returns a matrix, and a class for torch.
Times are wall-clock, the least of several turns; asking a fresh process again is told apart, as it happens
once for every 3,200 matrices. Start is the time until the first matrix may be sent.
"""

import argparse
import re
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from leaderboard.sandbox import Containment, sandboxed
from leaderboard.sandbox.containment import bubblewrap
from models.quantizers.parts import quantize_in_parts
from models.quantizers.user_file import from_file

#: Runs, snapshots, rows and columns.
BANK = (16, 20, 64, 256)

_MATRIX = """
import numpy as np

BITS = 4


def quantize(matrix):
    most = np.abs(matrix).max() or 1.0
    return most * np.round(matrix / most * 7) / 7
"""

_CLASS = """
from dataclasses import dataclass

import torch

from models.quantizers.base import Quantizer, check_weight
from models.quantizers.quantized import Grid


@dataclass(frozen=True)
class Rows(Quantizer):
    bits: float = 1.0
    scale = "adaptive"
    formula = "sign(w) times the mean of |w| in its row"
    reference = "an example"

    def quantize(self, weight):
        weight = check_weight(weight)
        scale = weight.abs().mean(-1, keepdim=True)
        return Grid((weight > 0).to(torch.uint8), torch.tensor([-1.0, 1.0]), scale)
"""


def files() -> dict[str, str]:
    """Return the text of each file by its name."""
    page = (Path(__file__).resolve().parents[1] / "docs" / "extending.md").read_text()
    (example,) = re.findall(r"```python\n(# terciles\.py.*?)```", page, re.DOTALL)
    return {"levels and codes": example, "matrix": _MATRIX, "class": _CLASS}


def seconds(function: Callable[[], object]) -> float:
    """Return how long a call takes."""
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=5)
    turns = parser.parse_args().turns
    torch.set_num_threads(1)
    bank = torch.randn(BANK, generator=torch.Generator().manual_seed(0)) * 0.1
    around = [one for one in Containment if one is Containment.LIMITS or bubblewrap().path]
    table = Table("file", "containment", "start, s", "without, s", "sandbox, s", "ratio", "again, s")
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files().items():
            path = Path(folder) / "mine.py"
            path.write_text(text)
            (plain,) = from_file(str(path)).values()
            for containment in around:
                begun = time.perf_counter()
                with closing(sandboxed(path, containment=containment)) as quantizer:
                    start = time.perf_counter() - begun
                    pairs = [
                        (
                            seconds(lambda one=plain: quantize_in_parts(one, bank)),
                            seconds(lambda one=quantizer: one.quantize(bank)),
                        )
                        for _ in range(turns)
                    ]
                    without, within = (min(column) for column in zip(*pairs, strict=True))
                    again = seconds(quantizer.settle)
                cells = (start, without, within, within / without, again)
                table.add_row(name, str(containment), *(f"{cell:.2f}" for cell in cells))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
