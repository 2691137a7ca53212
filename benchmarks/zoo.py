"""The zoo over a bank in one call against a loop over its matrices: ``python -m benchmarks.zoo``.

Every quantizer that looks at no records quantizes 256 stacked matrices at once, and one after the other;
several sizes, so that none is slower. Peak memory of the one call is what torch's allocator was asked for
beyond its input, in inputs.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table
from torch.utils._python_dispatch import TorchDispatchMode

from models.quantizers import QUANTIZERS, Quantizer
from models.quantizers.parts import quantize_in_parts
from models.quantizers.zoo import zoo_names

#: Matrices in the bank, and their sizes.
STACKED, SIZES = 256, ((8, 8), (64, 64), (64, 128))
REPEATS = 3


def seconds(function: Callable[[], object]) -> float:
    """Return the least time of a few calls."""
    found = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        function()
        found.append(time.perf_counter() - started)
    return min(found)


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
    heads = [f"{out} x {width}" for out, width in SIZES]
    table = Table("quantizer", *(f"loop / one call, {head}" for head in heads), "memory / input")
    ratios: dict[str, list[float]] = {}
    for name in chosen:
        quantizer = QUANTIZERS[name]
        if quantizer.calibration != "none":
            continue
        for shape in SIZES:
            bank = torch.randn(STACKED, *shape, generator=torch.Generator().manual_seed(0))
            loop = seconds(lambda q=quantizer, bank=bank: [q.quantize(matrix) for matrix in bank])
            once = seconds(lambda q=quantizer, bank=bank: quantize_in_parts(q, bank))
            ratios.setdefault(name, []).append(loop / once)
        table.add_row(name, *(f"{ratio:.1f}" for ratio in ratios[name]), f"{memory(quantizer, bank):.1f}")
    table.add_section()
    columns = list(zip(*ratios.values(), strict=True))
    table.add_row("median", *(f"{statistics.median(column):.1f}" for column in columns), "")
    table.add_row("least", *(f"{min(column):.1f}" for column in columns), "")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
