"""Controls: what pruning alone, noise alone, and no information at all do to leak and accuracy."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.quantizers.base import FAMILIES, QUANTIZERS, Quantizer, check_seed, check_weight
from models.quantizers.quantized import Floats, Grid, Quantized


def _floats(weight: Tensor) -> Floats:
    return Floats(weight.contiguous().view(torch.int32))


@FAMILIES.register("pruned")
@dataclass(frozen=True)
class Pruned(Quantizer):
    """Set the smallest weights of each matrix to zero and keep the others in float32.

    Relative error on standard normal weights: ``pruned-90`` 0.747, ``pruned-50`` 0.267.

    Parameters
    ----------
    sparsity : float
        Share of zeros, in [0, 1).
    """

    sparsity: float

    formula = "w * [|w| > t], t = sparsity-quantile of |w|"
    reference = "magnitude pruning: Han et al. 2015, arXiv 1506.02626"
    bits = 32.0
    adaptive = True
    control = True
    exceptions = {"idempotent": "of what is left, the smallest are pruned again"}  # noqa: RUF012

    def __post_init__(self) -> None:
        if not 0 <= self.sparsity < 1:
            raise ValueError(f"sparsity must be in [0, 1), not {self.sparsity}")

    def quantize(self, weight: Tensor) -> Quantized:
        """Prune every matrix of ``weight``, shape (..., out, in)."""
        weight = check_weight(weight)
        flat = weight.abs().flatten(-2)
        index = int(self.sparsity * (flat.shape[-1] - 1)) + 1
        threshold = flat.kthvalue(index, dim=-1).values[..., None, None]
        return _floats(torch.where(weight.abs() > threshold, weight, 0.0))


@FAMILIES.register("noise")
@dataclass(frozen=True)
class Noise(Quantizer):
    """Add Gaussian noise to every weight; nothing is quantized.

    Relative error on standard normal weights: ``noise-30`` 0.301.

    Parameters
    ----------
    share : float
        Standard deviation of the noise, in root mean squares of the weights of a matrix.
    seed : int
        Of the noise, which depends on the place in the matrix alone.
    """

    share: float
    seed: int = 0

    formula = "w + share * rms(w) * e, e ~ N(0, 1)"
    reference = "none: a control"
    bits = 32.0
    adaptive = True
    control = True
    exceptions = {"idempotent": "noise adds to noise", "scale": "the root mean square is rounded"}  # noqa: RUF012

    def __post_init__(self) -> None:
        if not 0 <= self.share < float("inf"):
            raise ValueError(f"share must be a number of at least 0, not {self.share}")
        check_seed(self.seed)

    def quantize(self, weight: Tensor) -> Quantized:
        """Disturb every matrix of ``weight``, shape (..., out, in)."""
        weight = check_weight(weight)
        noise = torch.randn(weight.shape[-2:], generator=torch.Generator().manual_seed(self.seed))
        size = weight.double().square().mean(dim=(-2, -1), keepdim=True).sqrt().float()
        return _floats(weight + self.share * size * noise.to(weight.device))


@FAMILIES.register("constant")
@dataclass(frozen=True)
class Constant(Quantizer):
    """Replace every weight by the mean of its matrix: no information about single weights is left.

    Every benchmark of leaks must flag it: it leaks nothing and is good for nothing.

    Relative error on standard normal weights: ``constant`` 1.000.
    """

    formula = "mean of w"
    reference = "none: a control"
    bits = 0.0
    adaptive = False
    control = True

    def quantize(self, weight: Tensor) -> Quantized:
        """Quantize every matrix of ``weight``, shape (..., out, in): code 0 stands for the mean."""
        weight = check_weight(weight)
        mean = weight.mean(dim=(-2, -1), keepdim=True, dtype=torch.float64).float()
        codes = torch.zeros(weight.shape, dtype=torch.uint8, device=weight.device)
        return Grid(codes, weight.new_ones(1), mean)


QUANTIZERS.add("pruned-90", Pruned(0.9))
QUANTIZERS.add("pruned-50", Pruned(0.5))
QUANTIZERS.add("noise-30", Noise(0.3))
QUANTIZERS.add("constant", Constant())
