"""A bank quantized in parts that stay in a core's cache: faster for many matrices, and memory stays flat."""

from collections.abc import Sequence
from dataclasses import fields, replace

import torch
from torch import Tensor

from models.quantizers.base import Layer, Quantizer
from models.quantizers.quantized import Floats, Quantized, Values

#: Weights of a part: a megabyte, so that what is computed on the way stays in the cache.
PART = 1 << 18


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
    count, step = lead.numel(), max(1, PART // max(shape.numel(), 1))

    def quantized(part: Tensor, inputs: Tensor | None) -> Quantized:
        if layer is None:
            return quantizer.quantize(part)
        return quantizer.quantize_layer(part, replace(layer, inputs=inputs))

    inputs = None if layer is None else layer.inputs
    if count <= step:
        return quantized(weight, inputs)
    flat = weight.reshape(count, *shape)
    given = (
        None
        if inputs is None
        else inputs.expand(*lead, *inputs.shape[-2:]).reshape(count, *inputs.shape[-2:])
    )
    pieces = []
    for start in range(0, count, step):
        part = slice(start, start + step)
        pieces.append(quantized(flat[part], None if given is None else given[part]))
        # codes of the one point at the values of the whole call; the other is a copy and computes nothing
        if isinstance(pieces[0], Values | Floats):
            return quantized(weight, inputs)
    return _joined(pieces, lead)


def _joined(pieces: Sequence[Quantized], lead: torch.Size) -> Quantized:
    """Return the pieces, each with one leading axis, as one with the leading axes given."""
    first = pieces[0]
    tensors = {
        field.name: torch.cat([getattr(piece, field.name) for piece in pieces])
        for field in fields(first)
        if field.name not in first.shared and isinstance(getattr(first, field.name), Tensor)
    }
    return replace(first, **{name: part.reshape(*lead, *part.shape[1:]) for name, part in tensors.items()})
