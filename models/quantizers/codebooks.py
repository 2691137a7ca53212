"""Levels of each matrix's own: k-means of its weights, and bins of equal mass."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.quantizers.base import FAMILIES, QUANTIZERS, Quantizer, check_bits, check_weight
from models.quantizers.blocks import divisor
from models.quantizers.clipped import Clipped
from models.quantizers.order_statistic import ascending, stable_order
from models.quantizers.quantized import Codebook, Quantized, code_dtype

#: Most steps of Lloyd's algorithm.
STEPS = 100
#: Up to so many weights of a matrix the optimum is found exactly, by dynamic programming.
EXACT = 64
#: Costs of bins that are held at once: half a megabyte of them.
COSTS = 1 << 16


@FAMILIES.register("kmeans")
@dataclass(frozen=True)
class KMeans(Quantizer):
    """Lloyd-Max: the ``2^b`` levels of least squared error for the weights of each matrix.

    Matrices of up to 64 weights by dynamic programming, which is exact; larger ones by Lloyd's algorithm from
    two starts, the quantiles of the weights and the grid of ``Clipped``, of which the better end is kept. So
    the error is never larger than that of uniform levels, clipped or not.

    Relative error on standard normal weights: ``kmeans-4`` 0.098, ``kmeans-3`` 0.187, ``kmeans-2`` 0.345,
    ``kmeans-1`` 0.604.

    Parameters
    ----------
    bits : int
        ``b``, from 1 to 8.
    """

    bits: int

    formula = "the nearest of 2^bits levels that minimise sum (w - Q(w))^2"
    reference = "Lloyd 1982; Max 1960; for networks Han et al. 2016 (deep compression), arXiv 1510.00149"
    adaptive = True
    exceptions = {"scale": "sums over a matrix are rounded"}  # noqa: RUF012

    def __post_init__(self) -> None:
        check_bits(self.bits, 1, 8)

    def quantize(self, weight: Tensor) -> Quantized:
        """Quantize every matrix of ``weight``, shape (..., out, in), to levels of its own."""
        weight = check_weight(weight)
        flat = weight.flatten(-2)
        scale = divisor(flat.abs().amax(-1, keepdim=True))
        rising = ascending(flat / scale).double()  # squares of huge and tiny weights stay numbers
        count = 2**self.bits
        if rising.shape[-1] <= EXACT:
            centres = _exact(rising, count)
        else:
            starts = [_quantiles(rising, count), _grid(weight, scale, self.bits)]
            ends = [_lloyd(rising, start) for start in starts]
            better = ends[1][1] < ends[0][1]
            centres = torch.where(better, ends[1][0], ends[0][0])
            few, values = _distinct(rising, count)
            centres = torch.where(few, values, centres)
        levels = (centres * scale).float()
        codes = _nearest(flat, levels)
        return Codebook(codes.to(code_dtype(count)).reshape(weight.shape), levels)


@FAMILIES.register("quantile")
@dataclass(frozen=True)
class Quantile(Quantizer):
    """Bins that hold the same number of weights of a matrix each; the level of a bin is their mean.

    Relative error on standard normal weights: ``quantile-4`` 0.150, ``quantile-3`` 0.237, ``quantile-2``
    0.375.

    Parameters
    ----------
    bits : int
        ``b``, from 1 to 8: ``2^b`` bins.
    """

    bits: int

    formula = "mean of the weights of a bin, 2^bits bins of equal numbers of weights"
    reference = (
        "equal-mass quantization; as in Dettmers et al. 2022 (quantile quantization), arXiv 2110.02861"
    )
    adaptive = True
    exceptions = {  # noqa: RUF012
        "idempotent": "of equal weights some fall into the next bin",
        "scale": "sums over a matrix are rounded",
    }

    def __post_init__(self) -> None:
        check_bits(self.bits, 1, 8)

    def quantize(self, weight: Tensor) -> Quantized:
        """Quantize every matrix of ``weight``, shape (..., out, in), to levels of its own."""
        weight = check_weight(weight)
        flat = weight.flatten(-2)
        count, size = 2**self.bits, flat.shape[-1]
        order = stable_order(flat)
        bins = torch.arange(size, device=flat.device) * count // size
        codes = torch.empty(flat.shape, dtype=torch.int64, device=flat.device)
        codes.scatter_(-1, order, bins.expand(flat.shape))
        sums = torch.zeros((*flat.shape[:-1], count), dtype=torch.float64, device=flat.device)
        sums.scatter_add_(-1, codes, flat.double())
        numbers = torch.bincount(bins, minlength=count)
        levels = (sums / numbers.clamp(min=1)).float()
        # of few weights some bins are empty: their level is that of the bin before
        used = torch.cummax(torch.where(numbers > 0, torch.arange(count, device=flat.device), 0), 0).values
        return Codebook(codes.to(code_dtype(count)).reshape(weight.shape), levels[..., used])


def _nearest(values: Tensor, levels: Tensor) -> Tensor:
    """Return the index of the nearest of ascending levels (..., L) of each matrix."""
    middles = (levels[..., 1:].double() + levels[..., :-1].double()) / 2
    return torch.searchsorted(middles.contiguous(), values.double().contiguous())


def _distinct(rising: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return whether a matrix has no more than ``count`` different weights, (..., 1), and these, (..., L)."""
    changes = (rising.diff(dim=-1) > 0).long()
    place = torch.cat([torch.zeros_like(changes[..., :1]), changes.cumsum(-1)], dim=-1)
    values = rising[..., -1:].expand(*rising.shape[:-1], count).clone()
    values.scatter_(-1, place.clamp(max=count - 1), rising)
    return place[..., -1:] < count, values


def _quantiles(rising: Tensor, count: int) -> Tensor:
    """Return the weights in the middle of bins of equal mass."""
    size = rising.shape[-1]
    place = (torch.arange(count, device=rising.device, dtype=torch.float64) + 0.5) / count * size
    return rising[..., place.long().clamp(max=size - 1)].contiguous()


def _grid(weight: Tensor, scale: Tensor, bits: int) -> Tensor:
    """Return the levels of a clipped grid in units of ``scale``; 2^bits of them, the largest one twice."""
    if bits == 1:
        mean = weight.flatten(-2).double().abs().mean(-1, keepdim=True) / scale
        return torch.cat([-mean, mean], dim=-1)
    grid = Clipped(bits).quantize(weight)
    levels = grid.levels.double() * (grid.scale[..., 0] / scale).double()  # type: ignore[attr-defined]
    return torch.cat([levels, levels[..., -1:]], dim=-1)


def _lloyd(rising: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Return the levels that Lloyd's algorithm ends at, (..., L), and the squared error, (..., 1).

    With sorted weights the sums of all bins are differences of running sums, so a step takes no pass over
    the weights.
    """
    zero = torch.zeros_like(rising[..., :1])
    sums = torch.cat([zero, rising.cumsum(-1)], dim=-1)
    squares = (rising**2).sum(-1, keepdim=True)
    for _ in range(STEPS):
        edges = _edges(rising, centres)
        number = edges.diff(dim=-1)
        total = sums.gather(-1, edges).diff(dim=-1)
        moved = torch.where(number > 0, total / number.clamp(min=1), centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    edges = _edges(rising, centres)
    number, total = edges.diff(dim=-1), sums.gather(-1, edges).diff(dim=-1)
    error = squares + (number * centres**2 - 2 * total * centres).sum(-1, keepdim=True)
    return centres, error


def _edges(rising: Tensor, centres: Tensor) -> Tensor:
    """Return where the bins of ascending levels begin and end among the sorted weights, (..., L + 1)."""
    middles = ((centres[..., 1:] + centres[..., :-1]) / 2).contiguous()
    inner = torch.searchsorted(rising.contiguous(), middles, right=True)
    none = torch.zeros_like(inner[..., :1])
    return torch.cat([none, inner, none + rising.shape[-1]], dim=-1)


def _exact(rising: Tensor, count: int) -> Tensor:
    """Return the optimal levels of sorted weights (..., n), so many matrices at once as stay in the cache."""
    some = max(1, COSTS // (rising.shape[-1] + 1) ** 2)
    matrices = torch.split(rising.reshape(-1, rising.shape[-1]), some)
    levels = torch.cat([_optimal(part, count) for part in matrices])
    return levels.reshape(*rising.shape[:-1], levels.shape[-1])


def _optimal(rising: Tensor, count: int) -> Tensor:
    """Return the optimal levels of sorted weights (M, n), by dynamic programming over intervals."""
    size = rising.shape[-1]
    count = min(count, size)
    zero = torch.zeros_like(rising[..., :1])
    sums, squares = (torch.cat([zero, v.cumsum(-1)], dim=-1) for v in (rising, rising**2))
    start, end = torch.arange(size + 1), torch.arange(size + 1)[:, None]
    number = (end - start).clamp(min=1).to(rising)
    total = sums[..., :, None] - sums[..., None, :]
    cost = (squares[..., :, None] - squares[..., None, :]) - total**2 / number  # of one bin, by end and start
    cost = torch.where(end > start, cost.clamp(min=0), torch.where(end == start, 0.0, torch.inf))
    least = [cost[..., 0]]  # of so many bins up to every end
    for _ in range(count - 1):
        least.append((least[-1][:, None] + cost).amin(-1))
    every = torch.arange(len(rising))
    edges = [torch.full((len(rising),), size)]
    for reached in reversed(least[:-1]):  # where the last bin of the best begins, and so on back
        edges.append((reached + cost[every, edges[-1]]).argmin(-1))
    ends = torch.stack([*edges, torch.zeros_like(edges[0])][::-1], dim=-1)
    number = ends.diff(dim=-1)
    means = sums.gather(-1, ends).diff(dim=-1) / number.clamp(min=1)
    # an empty bin repeats the level before it, or the first where there is none before
    first = (number > 0).long().argmax(-1, keepdim=True)
    known = torch.where(number > 0, torch.arange(number.shape[-1]), 0).cummax(-1).values
    return means.gather(-1, torch.maximum(known, first))


for _bits in (4, 3, 2, 1):
    QUANTIZERS.add(f"kmeans-{_bits}", KMeans(_bits))
for _bits in (4, 3, 2):
    QUANTIZERS.add(f"quantile-{_bits}", Quantile(_bits))
