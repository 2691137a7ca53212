"""The zoo over a bank in one call against a loop over its matrices: ``python -m benchmarks.zoo``.

Every quantizer that looks at no records quantizes 256 stacked matrices at once, and one after the other;
several sizes, so that none is slower. Times are those of the processor, of one thread, so that whatever else
the machine does counts little; loop and call take turns, and the least time of each counts. The time told is
that of the one call, for all 256 matrices. Peak memory of the one call is what torch's allocator was asked
for beyond its input, in inputs.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence

import torch
from rich.console import Console
from rich.table import Table
from torch.utils._python_dispatch import TorchDispatchMode

from models.quantizers import QUANTIZERS, Quantizer
from models.quantizers.parts import quantize_in_parts
from models.quantizers.zoo import zoo_names

#: Matrices in the bank, and their sizes.
STACKED, SIZES = 256, ((8, 8), (64, 64), (64, 128))
#: Turns of loop and call: at least so many, and so many seconds of them.
TURNS, SECONDS = 3, 0.3


def seconds(*functions: Callable[[], object]) -> list[float]:
    """Return the least time of each function, called in turns."""
    least = [float("inf")] * len(functions)
    begun, turns = time.process_time(), 0
    while turns < TURNS or time.process_time() - begun < SECONDS:
        for place, function in enumerate(functions):
            started = time.process_time()
            function()
            least[place] = min(least[place], time.process_time() - started)
        turns += 1
    return least


class Peak(TorchDispatchMode):
    """Follows the bytes of all tensors that are alive at once."""

    def __init__(self) -> None:
        super().__init__()
        self.alive, self.peak = {}, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        import weakref

        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                key = storage.data_ptr()
                if key and key not in self.alive:
                    self.alive[key] = storage.nbytes()
                    weakref.finalize(storage, self.alive.pop, key, None)
        self.peak = max(self.peak, sum(self.alive.values()))
        return result


def memory(quantizer: Quantizer, bank: torch.Tensor) -> float:
    """Return the peak of what the call holds beyond its input, in sizes of the input."""
    with Peak() as peak:
        quantize_in_parts(quantizer, bank)
    return peak.peak / bank.nbytes


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quantizers", nargs="*", default=list(zoo_names("all")))
    chosen = parser.parse_args().quantizers
    torch.set_num_threads(1)
    table = Table("quantizer")
    for out, width in SIZES:
        table.add_column(f"{out} x {width}\nloop / call", justify="right")
        table.add_column("\ncall, ms", justify="right")
    table.add_column("memory\n/ input", justify="right")
    ratios: dict[str, list[float]] = {}
    times: dict[str, list[float]] = {}
    most: dict[str, float] = {}
    for name in chosen:
        quantizer = QUANTIZERS[name]
        if quantizer.calibration != "none":
            continue
        ratios[name], times[name] = [], []
        for shape in SIZES:
            bank = torch.randn(STACKED, *shape, generator=torch.Generator().manual_seed(0))
            loop, once = seconds(
                lambda q=quantizer, bank=bank: [q.quantize(matrix) for matrix in bank],
                lambda q=quantizer, bank=bank: quantize_in_parts(q, bank),
            )
            ratios[name].append(loop / once)
            times[name].append(1000 * once)
        most[name] = memory(quantizer, bank)
        table.add_row(name, *_cells(ratios[name], times[name]), f"{most[name]:.1f}")
    table.add_section()
    for word, function in (("median", statistics.median), ("least", min), ("most", max)):
        columns = [
            [function(column) for column in zip(*figures.values(), strict=True)]
            for figures in (ratios, times)
        ]
        table.add_row(word, *_cells(*columns), f"{function(most.values()):.1f}")
    Console(width=120).print(table)


def _cells(ratios: Sequence[float], times: Sequence[float]) -> Iterator[str]:
    """Yield the figures of the sizes, one after the other."""
    for ratio, each in zip(ratios, times, strict=True):
        yield f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
        yield f"{each:.1f}"


if __name__ == "__main__":
    main()
