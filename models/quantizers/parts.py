"""A bank quantized in parts that stay in a core's cache: faster for many matrices, and memory stays flat."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from models.quantizers.base import Layer, Quantizer
from models.quantizers.quantized import Quantized, Values

#: Weights of a part: a megabyte, so that what is computed on the way stays in the cache.
PART = 1 << 18
#: Parts that are dequantized at once.
FEW = 2
#: Entries of second moments of inputs, (in, in) a matrix, that a part may take: 16 megabytes in float64.
MOMENTS = 1 << 21


def quantize_in_parts(quantizer: Quantizer, weight: Tensor, layer: Layer | None = None) -> Quantized:
    """Quantize every matrix of a bank by itself, some of them at once.

    Parameters
    ----------
    quantizer : Quantizer
        Which one.
    weight : Tensor of float32, shape (..., out, in)
        The bank.
    layer : Layer or None
        Place and inputs of the layer, where the weights are one of a model.

    Returns
    -------
    Quantized
        The same as ``quantizer`` gives for the whole bank.
    """
    lead, shape = weight.shape[:-2], weight.shape[-2:]
    inputs = None if layer is None else layer.inputs
    count, step = lead.numel(), max(1, PART // max(shape.numel(), 1))
    if inputs is not None:
        step = max(1, min(step, MOMENTS // max(shape[-1] ** 2, 1)))

    def quantized(part: Tensor, inputs: Tensor | None) -> Quantized:
        if layer is None:
            return quantizer.quantize(part)
        return quantizer.quantize_layer(part, replace(layer, inputs=inputs))

    if count <= step:
        return quantized(weight, inputs)
    flat = weight.reshape(count, *shape)
    whole: dict[str, Tensor] = {}
    for part, own_inputs in _parts(lead, inputs, step):
        piece = quantized(flat[part], own_inputs)
        each = piece.of_each()
        if not whole:
            whole = {name: own.new_empty((count, *own.shape[1:])) for name, own in each.items()}
        if isinstance(piece, Values) or any(
            (own.shape[1:], own.dtype) != (whole[name].shape[1:], whole[name].dtype)
            for name, own in each.items()
        ):  # what a code stands for, or how many levels there are, depends on all matrices of a call
            return quantized(weight, inputs)
        for name, own in each.items():
            whole[name][part] = own
    return replace(piece, **{name: own.reshape(*lead, *own.shape[1:]) for name, own in whole.items()})


def _parts(lead: torch.Size, inputs: Tensor | None, step: int) -> Iterator[tuple[slice, Tensor | None]]:
    """Yield some matrices at once, counted along all leading axes, and what goes into them.

    Where all snapshots of a run, or all matrices, are given the same inputs, a part is of such: nothing is
    copied, and second moments of a part are computed once.
    """
    count = lead.numel()
    if inputs is None:
        yield from ((slice(start, start + step), None) for start in range(0, count, step))
        return
    own, each = len(lead), inputs.shape[-2:]
    spread = inputs.expand(*lead, *each)
    while own and spread.stride(own - 1) == 0:
        own -= 1
    groups = spread[(slice(None),) * own + (0,) * (len(lead) - own)].reshape(lead[:own].numel(), *each)
    alike = lead[own:].numel()
    if alike == 1:
        yield from ((slice(at, at + step), groups[at : at + step]) for at in range(0, count, step))
        return
    for group, shared in enumerate(groups):
        for start in range(group * alike, stop := (group + 1) * alike, step):
            part = slice(start, min(start + step, stop))
            yield part, shared.expand(part.stop - start, *each)


def dequantize_in_parts(quantized: Quantized) -> Tensor:
    """Return the float32 weights of a bank, some matrices at once: what is computed on the way stays small.

    The same as ``quantized.dequantize()``, which holds an index, and what it finds, of every weight at once.
    """
    count, step = quantized.lead.numel(), max(1, PART // max(quantized.weights, 1))
    # few are written once only; bit patterns are the weights, and nothing is computed
    if count <= FEW * step or quantized.alphabet is None:
        return quantized.dequantize()
    fields, skip = quantized.of_each(), len(quantized.lead)
    flat = replace(quantized, **{name: own.reshape(count, *own.shape[skip:]) for name, own in fields.items()})
    values = quantized.codes.new_empty((count, *quantized.shape), dtype=torch.float32)
    for start in range(0, count, step):
        part = slice(start, start + step)
        values[part] = flat.at(part).dequantize()
    return values.reshape(*quantized.lead, *quantized.shape)
