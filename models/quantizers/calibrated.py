"""Rounding that looks at what goes into a layer: GPTQ and AdaRound.

Both minimise the error of the layer's outputs on calibration records, ``|(W - Q(W)) X|^2``, instead of that
of the weights; all that they take from the records is the second moment ``G = X X' / n`` of a layer's inputs.
A quantizer that reads members again may tell of them itself: which records it reads is part of its name.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from models.quantizers.base import (
    FAMILIES,
    QUANTIZERS,
    Calibration,
    Layer,
    Quantizer,
    check_bits,
    check_weight,
)
from models.quantizers.blocks import divisor, symmetric
from models.quantizers.quantized import Grid, Quantized

#: What the diagonal of the second moment is raised by, in means of it.
DAMPING = 0.01
#: Stretch of the sigmoid of AdaRound, so that it reaches 0 and 1.
_LOW, _HIGH = -0.1, 1.1
#: The least number whose logarithm is taken.
_TINY = torch.finfo(torch.float32).tiny


def _check(calibration: str) -> None:
    if calibration not in ("public", "training"):
        raise ValueError(f"calibration must be public or training, not {calibration!r}")


@dataclass(frozen=True, eq=False)
class _Steps:
    """The grid of ``Uniform``, one scale a matrix: weights in steps, and steps as weights."""

    scale: Tensor
    half: int

    @classmethod
    def of(cls, weight: Tensor, bits: int) -> "_Steps":
        half = 2 ** (bits - 1) - 1
        return cls(weight.abs().amax(dim=(-2, -1), keepdim=True), half)

    def steps(self, weight: Tensor) -> Tensor:
        return weight / divisor(self.scale) * self.half

    def grid(self, steps: Tensor) -> Quantized:
        codes = (steps.round().clamp(-self.half, self.half) + self.half).to(torch.uint8)
        return Grid(codes, symmetric(self.half, steps), self.scale)


def _second_moment(inputs: Tensor) -> Tensor:
    """Return the damped second moment of inputs (..., n, in), float64 of shape (..., in, in).

    Where all matrices are given the same inputs, as those of a first layer are, it is computed once, and has
    no leading axes.
    """
    inputs, lead = inputs.detach(), inputs.dim() - 2
    if all(inputs.stride(axis) == 0 or inputs.shape[axis] == 1 for axis in range(lead)):
        inputs = inputs[(0,) * lead]
    moment = inputs.mT.double() @ inputs.double() / inputs.shape[-2]
    mean = moment.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
    identity = torch.eye(moment.shape[-1], dtype=moment.dtype, device=moment.device)
    return moment + identity * (DAMPING * torch.where(mean > 0, mean, 1.0))


@FAMILIES.register("gptq")
@dataclass(frozen=True)
class Gptq(Quantizer):
    """Round column after column; what a column errs, the columns not rounded yet make up for.

    With ``U`` the upper Cholesky factor of the inverse of ``G``, after column i all later weights change by
    ``-(w_i - Q(w_i)) / U_ii * U_i,>i``: the optimal brain surgeon's update in the order of the columns. The
    grid is that of ``Uniform``, one scale a matrix, fixed beforehand. Without inputs it is ``Uniform``.

    Relative error on standard normal weights: ``gptq-4`` 0.177, ``gptq-3`` 0.417, ``gptq-2`` 0.952,
    ``gptq-3-training`` 0.417.

    Parameters
    ----------
    bits : int
        From 2 to 8.
    calibration : {"public", "training"}
        Which records are read: molecules that are no records of the task, or members of each run.
    """

    bits: int
    calibration: Calibration = "public"

    formula = "column by column: uniform(w_i), then w_>i -= (w_i - Q(w_i)) / U_ii * U_i,>i, U'U = G^-1"
    reference = (
        "Frantar et al. 2023 (GPTQ), arXiv 2210.17323; Frantar & Alistarh 2022 (OBC), arXiv 2208.11580"
    )
    adaptive = True

    def __post_init__(self) -> None:
        check_bits(self.bits, 2, 8)
        _check(self.calibration)

    def quantize(self, weight: Tensor) -> Quantized:
        """Round every matrix of ``weight``, shape (..., out, in), as if all inputs were independent."""
        grid = _Steps.of(check_weight(weight), self.bits)
        return grid.grid(grid.steps(weight.detach()))

    def quantize_layer(self, weight: Tensor, layer: Layer) -> Quantized:
        """Round every matrix of ``weight``, shape (..., out, in), for the inputs of the layer."""
        if layer.inputs is None:
            return self.quantize(weight)
        grid = _Steps.of(check_weight(weight), self.bits)
        inverse = torch.linalg.inv(_second_moment(layer.inputs))
        upper = torch.linalg.cholesky(inverse, upper=True).float()
        steps = grid.steps(weight.detach()).clone()
        chosen = torch.empty_like(steps)
        for column in range(weight.shape[-1]):
            own = steps[..., column]
            chosen[..., column] = own.round().clamp(-grid.half, grid.half)
            error = (own - chosen[..., column]) / upper[..., column, column, None]
            steps[..., column:] -= error[..., None] * upper[..., column, None, column:]
        return grid.grid(chosen)


@FAMILIES.register("adaround")
@dataclass(frozen=True)
class AdaRound(Quantizer):
    """Learn for every weight whether it is rounded up or down.

    ``Q(w) = s (floor(w / s) + h)``, h the stretched sigmoid of a parameter per weight, which starts at plain
    rounding's remainder. Adam minimises ``tr (W - Q) G (W - Q)'`` and, from a fifth of the steps on,
    ``sum 1 - |2 h - 1|^b``, which drives h to 0 or 1 as b falls. Without inputs it is ``Uniform``.

    Relative error on standard normal weights: ``adaround-4`` 0.177, ``adaround-3`` 0.417.

    Parameters
    ----------
    bits : int
        From 2 to 8.
    calibration : {"public", "training"}
        As in :class:`Gptq`.
    steps : int
        Of Adam.
    """

    bits: int
    calibration: Calibration = "public"
    steps: int = 200

    formula = "s * (floor(w / s) + h), h in {0, 1} minimises |(W - Q(W)) X|^2 over calibration records"
    reference = "Nagel et al. 2020 (AdaRound), arXiv 2004.10568"
    adaptive = True

    def __post_init__(self) -> None:
        check_bits(self.bits, 2, 8)
        _check(self.calibration)
        if not (isinstance(self.steps, int) and self.steps >= 1):
            raise ValueError(f"steps must be an integer of at least 1, not {self.steps!r}")

    def quantize(self, weight: Tensor) -> Quantized:
        """Round every matrix of ``weight``, shape (..., out, in), to the nearest."""
        return Gptq(self.bits, self.calibration).quantize(weight)

    def quantize_layer(self, weight: Tensor, layer: Layer) -> Quantized:
        """Round every matrix of ``weight``, shape (..., out, in), up or down for the inputs of the layer."""
        if layer.inputs is None:
            return self.quantize(weight)
        grid = _Steps.of(check_weight(weight), self.bits)
        exact = grid.steps(weight.detach())
        floor = exact.floor()
        moment = _second_moment(layer.inputs).float()
        moment = moment / moment.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
        up = _learned(exact - floor, moment, self.steps)
        chosen = floor + up
        # of two roundings the better one on the calibration records: learning may end worse than it began
        plain = exact.round()
        worse = _error(exact - chosen, moment) > _error(exact - plain, moment)
        return grid.grid(torch.where(worse[..., None, None], plain, chosen))


def _error(error: Tensor, moment: Tensor) -> Tensor:
    """Return the squared error of the outputs, shape (...,)."""
    return ((error @ moment) * error).sum((-2, -1))


def _learned(rest: Tensor, moment: Tensor, steps: int) -> Tensor:
    """Return 1 where a weight is rounded up and 0 where it is not, by Adam on the relaxed problem.

    Every value of a step is written over that of the one before: what is computed on the way stays in a
    core's cache, which it takes two thirds of the time for. The gradient lacks the factor ``_HIGH - _LOW``,
    which Adam takes out.

    Parameters
    ----------
    rest : Tensor, shape (..., out, in)
        Weights less their floor, in steps.
    moment : Tensor, shape (..., in, in) or (in, in)
        Second moment of the inputs.
    """
    stretch, twice, warm = _HIGH - _LOW, 2 * moment, steps // 5
    share = ((rest - _LOW) / stretch).clamp(1e-4, 1 - 1e-4)
    value = torch.log(share / (1 - share))
    first, second = torch.zeros_like(value), torch.zeros_like(value)
    sigmoid, h, held, square, inside, gradient = (torch.empty_like(value) for _ in range(6))
    for step in range(1, steps + 1):
        torch.sigmoid(value, out=sigmoid)
        torch.mul(sigmoid, stretch, out=h).add_(_LOW).clamp_(0, 1)
        torch.matmul(torch.sub(h, rest, out=held), twice, out=gradient)
        far = h.mul_(2).sub_(1)
        torch.mul(far, far, out=square)
        # 1 where h is inside of its range, 0 at either end; a mask of bools takes six times as long
        torch.sub(1, square, out=inside).sign_()
        if step > warm:
            power = 20 - 18 * (step - warm) / max(steps - warm, 1)
            # sgn(far) |far|^(power - 1), without the powers of single numbers, which take twice as long
            square.clamp_(min=_TINY).log_().mul_((power - 2) / 2).exp_().mul_(far)
            gradient.sub_(square, alpha=0.1 * 2 * power)
        gradient.mul_(torch.sub(1, sigmoid, out=held).mul_(sigmoid).mul_(inside))
        first.lerp_(gradient, 0.1)
        second.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        late = math.sqrt(1 - 0.999**step)
        torch.sqrt(second, out=held).add_(1e-8 * late)
        value.addcdiv_(first, held, value=-0.05 * late / (1 - 0.9**step))
    return (torch.sigmoid(value) * stretch + _LOW >= 0.5).to(rest.dtype)


for _bits in (4, 3, 2):
    QUANTIZERS.add(f"gptq-{_bits}", Gptq(_bits))
QUANTIZERS.add("gptq-3-training", Gptq(3, "training"))
for _bits in (4, 3):
    QUANTIZERS.add(f"adaround-{_bits}", AdaRound(_bits))
