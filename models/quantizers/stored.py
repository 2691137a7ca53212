"""Quantized weights from what is stored of them: the way back from ``codes``, ``side`` and shared fields.

A class whose ``side`` are its fields, as they are, needs nothing here. One that stores something else
registers a function that puts it together: ``@RESTORERS.register("name in KINDS")``. Files come from
anywhere, so such a function also refuses parts that do not belong together.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.quantizers.composed import Vectors
from models.quantizers.quantized import KINDS, Grid, Quantized
from molecules.registry import Registry

#: From codes, tensors by name and facts by name to the quantized weights.
Restorer = Callable[[Tensor, Mapping[str, Tensor], Mapping[str, Any]], Quantized]

#: How classes of quantized weights are put together that are more than their parts, by name in ``KINDS``.
RESTORERS: Registry[Restorer] = Registry("way to restore weights", "models.quantizers")


def kind_of(quantized: Quantized) -> str:
    """Return the name in ``KINDS`` of a class of quantized weights.

    Raises
    ------
    ValueError
        If it is not registered there.
    """
    for name, kind in KINDS.items():
        if type(quantized) is kind:
            return name
    raise ValueError(f"{type(quantized).__name__} is not registered in KINDS, so no file can hold it")


def facts_of(quantized: Quantized) -> dict[str, Any]:
    """Return the fields that are no tensors, by name: the same for all matrices."""
    told = {field.name: getattr(quantized, field.name) for field in fields(quantized)}
    return {name: value for name, value in told.items() if not isinstance(value, Tensor)}


def restored(kind: str, codes: Tensor, parts: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Quantized:
    """Return the weights that were taken apart.

    Parameters
    ----------
    kind : str
        Name in ``KINDS``.
    codes : Tensor of int
        As they were.
    parts : mapping of str to Tensor
        What ``side`` gave, and the fields that are shared.
    facts : mapping of str to any
        What :func:`facts_of` gave.

    Raises
    ------
    ValueError, KeyError, TypeError
        If these do not belong together.
    """
    if kind in RESTORERS:
        return RESTORERS[kind](codes, parts, facts)
    return KINDS[kind](codes, **parts, **facts)


@RESTORERS.register("grid")
def _grid(codes: Tensor, parts: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Grid:
    """Return a grid, its scales from what is stored of them."""
    stored, block, levels = facts["stored"], facts["block"], parts["levels"]
    scale = parts["scale"] if stored != "nothing" else levels.new_ones(1, 1)
    if stored == "exponent":
        scale = powers_of_two(scale)
    zero = parts.get("zero")
    if levels.dim() != 1 or scale.dim() != 2 or (zero is not None and zero.shape != scale.shape):
        raise ValueError("levels, scales and zero points of shapes that do not belong together")
    for size, count, each in zip(codes.shape, scale.shape, block or (), strict=False):
        if count not in (1, size, -(-size // each)):
            raise ValueError(f"{tuple(scale.shape)} scales for blocks of {block}")
    return Grid(codes, levels, scale, zero, stored, block)


@RESTORERS.register("vectors")
def _vectors(codes: Tensor, parts: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Vectors:
    """Return vectors, whose length must be the one that the pieces of a row ask for."""
    codebook, columns = parts["codebook"], facts["columns"]
    if codebook.dim() != 2 or codes.shape[1] != -(-columns // codebook.shape[1]):
        raise ValueError(f"{codes.shape[1]} pieces of a row of {columns}")
    return Vectors(codes, codebook, columns)


def powers_of_two(stored: Tensor) -> Tensor:
    """Return the powers of two, float32, that :func:`models.quantizers.quantized.exponents` stored."""
    return torch.from_numpy(np.ldexp(np.float32(1), stored.cpu().numpy().astype(np.int32) - 127))
