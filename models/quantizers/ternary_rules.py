"""Three levels by other rules than a chosen share of zeros."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from models.quantizers.base import FAMILIES, QUANTIZERS, Quantizer, bits_of_levels, check_weight
from models.quantizers.blocks import divisor
from models.quantizers.order_statistic import ascending
from models.quantizers.quantized import Grid, Quantized

#: How the threshold below which weights become zero, and the scale of the others, are found.
Rule = Literal["absmean", "twn", "optimal"]
#: Share of the mean magnitude that is the threshold of ternary weight networks.
TWN = 0.7


@FAMILIES.register("ternary-rule")
@dataclass(frozen=True)
class TernaryRule(Quantizer):
    """``Q(w) = s sgn(w) [|w| > t]``, with threshold and scale of each matrix by a rule; log2(3) = 1.58 bits.

    ``absmean``: ``Q(w) = s clip(round(w / s), -1, 1)``, ``s = mean |w|``, so ``t = s / 2`` (BitNet b1.58, Ma
    et al. 2024). ``twn``: ``t = 0.7 mean |w|``, ``s`` the mean of the kept ``|w|`` (Li & Liu 2016).
    ``optimal``: the least squared error of all ``t`` and ``s``: keep the k largest, where k maximises
    ``(sum of them)^2 / k``, ``s`` their mean.

    Relative error on standard normal weights: ``ternary-absmean`` 0.514, ``ternary-twn`` 0.439,
    ``ternary-optimal`` 0.437.

    Parameters
    ----------
    rule : {"absmean", "twn", "optimal"}
        Which one.
    """

    rule: Rule

    formula = (
        "s * sgn(w) * [|w| > t]; absmean: t = s/2, s = mean |w|; twn: t = 0.7 mean |w|, s = mean of the "
        "kept |w|; optimal: t and s of least squared error"
    )
    reference = (
        "absmean: Ma et al. 2024, arXiv 2402.17764; twn: Li & Liu 2016, arXiv 1605.04711; optimal: exact"
    )
    bits = bits_of_levels(3)
    adaptive = True

    def __post_init__(self) -> None:
        if self.rule not in get_args(Rule):
            raise ValueError(f"rule must be one of {', '.join(get_args(Rule))}, not {self.rule!r}")

    @property
    def exceptions(self) -> dict[str, str]:  # type: ignore[override]
        """Quantized weights have another mean magnitude, and so another threshold."""
        if self.rule == "optimal":
            return {}
        return {"idempotent": "quantized weights have another mean magnitude"}

    def quantize(self, weight: Tensor) -> Quantized:
        """Quantize every matrix of ``weight``, shape (..., out, in): codes 0, 1, 2 stand for -s, 0 and +s."""
        weight = check_weight(weight)
        magnitude = weight.abs()
        if self.rule == "optimal":
            kept, scale = _optimal(magnitude)
        else:
            mean = magnitude.mean(dim=(-2, -1), keepdim=True, dtype=torch.float64).float()
            if self.rule == "absmean":
                kept, scale = magnitude > mean / 2, mean
            else:
                kept = magnitude > TWN * mean
                count = kept.sum(dim=(-2, -1), keepdim=True).clamp(min=1)
                scale = (
                    (magnitude * kept).sum(dim=(-2, -1), keepdim=True, dtype=torch.float64) / count
                ).float()
        codes = (torch.where(kept, weight.sign(), 0) + 1).to(torch.uint8)
        return Grid(codes, weight.new_tensor([-1.0, 0.0, 1.0]), scale)


def _optimal(magnitude: Tensor) -> tuple[Tensor, Tensor]:
    """Return which weights are kept, and their mean, at the least squared error."""
    falling = ascending(magnitude.flatten(-2)).flip(-1)
    largest = falling[..., :1].double()
    unit = falling.double() / divisor(largest)  # squares of huge weights stay finite
    sums = unit.cumsum(-1)
    count = torch.arange(1, unit.shape[-1] + 1, device=unit.device)
    best = (sums.square() / count).argmax(-1, keepdim=True)
    threshold = falling.gather(-1, best)[..., None]  # the smallest that is kept
    scale = (sums.gather(-1, best) / (best + 1) * largest).float()[..., None]
    return (magnitude >= threshold) & (magnitude > 0), scale


for _rule in get_args(Rule):
    QUANTIZERS.add(f"ternary-{_rule}", TernaryRule(_rule))
