"""What every quantizer must keep to, checked on random and on degenerate weights.

The tests run these checks over the registry, and a submitted quantizer passes them before any compute is
spent on it. A family that cannot keep one declares it in ``exceptions``, with the reason.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from models.quantizers.base import Quantizer
from models.quantizers.composed import Vectors
from models.quantizers.measures import used_levels
from models.quantizers.quantized import Grid, Quantized, Values


@dataclass(frozen=True)
class Finding:
    """One thing that is not as the contract says.

    Attributes
    ----------
    check : str
        Name of the check.
    message : str
        One line: on which weights, and what was found.
    refused : bool
        True: the quantizer must not be used. False: it may, with this as a flag in the table.
    """

    check: str
    message: str
    refused: bool = True


def check(quantizer: Quantizer) -> list[Finding]:
    """Return every breach of the contract by ``quantizer``; none is an empty list.

    Checks: ``form`` (shapes kept, float32, finite, codes within the levels; on random, zero, single-element,
    one-row, huge and tiny weights), ``input`` (weights neither changed nor shared), ``refuses`` (weights that
    are not finite raise ValueError), ``deterministic``, ``vectorised`` (a bank in one call as each matrix by
    itself), ``idempotent`` (Q(Q(w)) = Q(w)), ``scale`` (Q(a w) = a Q(w), where adaptive), ``levels`` (no
    matrix uses more than 2^bits), ``large`` (10^6 weights in one matrix), and the flag ``degenerate`` (a
    random matrix ends on a single level).
    """
    findings = []
    for name, function in CHECKS.items():
        if name in quantizer.exceptions:
            continue
        try:
            messages = list(function(quantizer))
        except Exception as error:  # noqa: BLE001  # whatever a submitted quantizer raises is a finding
            messages = [f"raised {type(error).__name__}: {error}"]
        findings += [Finding(name, message, name not in FLAGS) for message in messages]
    return findings


def _bank() -> Tensor:
    """Return random weights (2, 3, 24, 40) like those of trained layers: another size in every matrix."""
    generator = torch.Generator().manual_seed(2502)
    size = torch.linspace(0.05, 0.3, 6).reshape(2, 3, 1, 1)
    return torch.randn((2, 3, 24, 40), generator=generator) * size


def _examples() -> Iterator[tuple[str, Tensor]]:
    """Yield the weights of the check ``form``, with what they are."""
    bank = _bank()
    yield "random weights", bank
    yield "zero weights", torch.zeros(2, 3, 4)
    yield "a single element", bank[:, :, :1, :1]
    yield "one row", bank[0, 0, :1]
    yield "one column", bank[0, 0, :, :1]
    yield "constant weights", torch.full((3, 5), -0.25)
    yield "huge weights", bank * 1e15  # whose squares are still float32 numbers
    yield "tiny weights", bank * 1e-15


def _form(quantizer: Quantizer) -> Iterator[str]:
    for name, weight in _examples():
        try:
            quantized = quantizer.quantize(weight.clone())
            values = quantized.dequantize()
        except Exception as error:  # noqa: BLE001  # whatever a submitted quantizer raises is a finding
            yield f"{name}: raised {type(error).__name__}: {error}"
            continue
        if values.shape != weight.shape or quantized.shape != tuple(weight.shape[-2:]):
            yield f"{name} of shape {tuple(weight.shape)} became {tuple(values.shape)}"
        elif wrong := _without_lead(quantized, weight):
            yield f"{name}: {', '.join(wrong)} without the leading axes of the weights"
        elif values.dtype != torch.float32:
            yield f"{name}: dequantized to {values.dtype}, not float32"
        elif not bool(torch.isfinite(values).all()):
            yield f"{name}: dequantized to values that are not finite"
        elif quantized.codes.is_floating_point():
            yield f"{name}: codes are {quantized.codes.dtype}, not integers"
        if quantizer.adaptive and name == "zero weights" and bool(values.any()):
            yield "zero weights do not stay zero although levels are scaled"


def _without_lead(quantized: Quantized, weight: Tensor) -> list[str]:
    """Return which of the codes and of what is stored beside them lack the leading axes of the weights."""
    parts = {"codes": quantized.codes, **quantized.side}
    lead = weight.dim() - 2
    return [name for name, part in parts.items() if part.shape[:lead] != weight.shape[:-2]]


def _input(quantizer: Quantizer) -> Iterator[str]:
    weight = _bank()
    before = weight.clone()
    quantized = quantizer.quantize(weight)
    if not torch.equal(weight, before):
        yield "the weights given were changed"
    values = quantized.dequantize().clone()
    weight.zero_()
    if not torch.equal(quantized.dequantize(), values):
        yield "the result shares memory with the weights given"


def _refuses(quantizer: Quantizer) -> Iterator[str]:
    for value in (math.nan, math.inf, -math.inf):
        weight = _bank()
        weight[1, 2, 3, 4] = value
        try:
            quantizer.quantize(weight)
        except ValueError:
            continue
        yield f"a weight of {value} raised no ValueError; check_weight(weight) of models.quantizers.base does"


def _deterministic(quantizer: Quantizer) -> Iterator[str]:
    first, second = quantizer.quantize(_bank()), quantizer.quantize(_bank())
    if not _same(first, second):
        yield "two calls on the same weights differ"


def _vectorised(quantizer: Quantizer) -> Iterator[str]:
    bank = _bank()
    whole = quantizer.quantize(bank).dequantize()
    for index, matrix in enumerate(bank.flatten(0, 1)):
        alone = quantizer.quantize(matrix).dequantize()
        # sums over a matrix may be ordered otherwise in a bank: the scale may differ in its last bit
        if not torch.allclose(whole.flatten(0, 1)[index], alone, rtol=1e-6, atol=0):
            yield f"matrix {index} of a bank is quantized otherwise than by itself"


def _idempotent(quantizer: Quantizer) -> Iterator[str]:
    once = quantizer.quantize(_bank()).dequantize()
    twice = quantizer.quantize(once).dequantize()
    if not torch.allclose(once, twice, rtol=1e-6, atol=0):
        share = float((once != twice).double().mean())
        yield f"quantizing quantized weights changes {share:.1%} of them"


def _scale(quantizer: Quantizer) -> Iterator[str]:
    if not quantizer.adaptive:
        return
    bank = _bank()
    values = quantizer.quantize(bank).dequantize()
    for factor in (2.0**-10, 0.5, 4.0, 2.0**10):  # powers of two are exact in floating point
        if not torch.equal(quantizer.quantize(bank * factor).dequantize(), values * factor):
            yield f"Q(a w) is not a Q(w) for a = {factor:g}"


def _levels(quantizer: Quantizer) -> Iterator[str]:
    bank = _bank()
    quantized = quantizer.quantize(bank)
    count = quantized.alphabet
    if count is None:
        if quantizer.bits != 32:
            yield f"keeps float32 weights but declares {quantizer.bits:g} bits"
        return
    codes = quantized.codes.long()
    if bool((codes < 0).any()) or bool((codes >= count).any()):
        yield f"codes run from {int(codes.min())} to {int(codes.max())} with {count} levels"
        return
    if isinstance(quantized, Grid | Values) and not bool((quantized.levels.diff() > 0).all()):
        yield "levels are not in ascending order, each once"
    # levels from a name are the same for every matrix; a matrix with values of its own counts those it uses
    declared = int(used_levels(quantized).max()) if isinstance(quantized, Values) else count
    # codes for a weight: fewer where one stands for several; the last piece of a row may be a part of one
    share = (
        1 / quantized.codebook.shape[-1]
        if isinstance(quantized, Vectors)
        else codes[0, 0].numel() / bank[0, 0].numel()
    )
    if share * math.log2(declared) > quantizer.bits + 1e-9:
        yield f"uses {declared} levels, more than {quantizer.bits:g} bits can tell apart"


def _large(quantizer: Quantizer) -> Iterator[str]:
    weight = torch.randn((800, 1250), generator=torch.Generator().manual_seed(6)) * 0.1
    values = quantizer.quantize(weight).dequantize()
    if values.shape != weight.shape:
        yield f"a million weights of shape {tuple(weight.shape)} became {tuple(values.shape)}"
    elif not bool(torch.isfinite(values).all()):
        yield "a million weights: dequantized to values that are not finite"


def _degenerate(quantizer: Quantizer) -> Iterator[str]:
    quantized = quantizer.quantize(_bank())
    if quantized.alphabet is None:
        return
    single = int((used_levels(quantized) == 1).sum())
    if single:
        yield f"{single} of 6 random matrices (of standard deviation 0.05 to 0.3) end on a single level"


def _same(first: Quantized, second: Quantized) -> bool:
    """Whether codes and dequantized weights are equal in every bit."""
    return torch.equal(first.codes, second.codes) and torch.equal(first.dequantize(), second.dequantize())


#: The checks by name, in the order they run.
CHECKS: dict[str, Callable[[Quantizer], Iterator[str]]] = {
    "form": _form,
    "input": _input,
    "refuses": _refuses,
    "deterministic": _deterministic,
    "vectorised": _vectorised,
    "idempotent": _idempotent,
    "scale": _scale,
    "levels": _levels,
    "large": _large,
    "degenerate": _degenerate,
}

#: Checks whose findings are flags, not refusals.
FLAGS = ("degenerate",)
