"""Quantized matrices as tensors of a file, and what is said of them beside: one way, and back bit by bit.

Of every matrix, called by a ``key``, the file holds ``key.codes`` (packed by
:mod:`models.quantizers.packing`; float32 weights as they are) and what the matrix stores beside its codes
(``key.scale``, ``key.levels``, ...). What matrices have in common stands once.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from models.quantizers.packing import pack as pack_codes
from models.quantizers.packing import packed_size
from models.quantizers.packing import unpack as unpack_codes
from models.quantizers.quantized import KINDS, Quantized, Values
from models.quantizers.stored import facts_of, kind_of, restored

#: What a file may unpack to: so many bytes whatever its size, or so many times its size. A weight takes at
#: least 1/32 of its float32 number in a matrix of two levels or more.
_FREE, _TIMES = 16 << 20, 64
#: Levels that codes may have in a file.
_MAX_ALPHABET = 1 << 32


def take_apart(
    key: object, layer: Quantized, tensors: dict[str, Tensor], before: Sequence[object] = ()
) -> dict[str, object]:
    """Add the tensors of a matrix to those of a file, and return what is said of it, JSON-able.

    Parameters
    ----------
    key : object
        What its tensors are called by.
    layer : Quantized
        Without leading axes.
    tensors : dict of str to Tensor
        Of the file.
    before : sequence of object
        Keys of matrices that are in the file already. ``parts`` tells of which matrix each tensor is: a
        shared one is that of the first matrix that has the same.

    Raises
    ------
    ValueError
        If it has leading axes.
    """
    layer = _own(layer)
    if layer.alphabet is None:
        tensors[f"{key}.codes"] = layer.codes.view(torch.float32)
    else:
        tensors[f"{key}.codes"] = _as_bytes(bytearray(pack_codes(layer.codes, layer.alphabet)))
    parts = {}
    shared = {name: getattr(layer, name) for name in sorted(layer.shared)}
    for name, part in {**shared, **layer.side}.items():
        others = before if name in shared else ()
        parts[name] = next((k for k in others if _equal(tensors.get(f"{k}.{name}"), part)), key)
        tensors[f"{parts[name]}.{name}"] = part
    return {
        "kind": kind_of(layer),
        "shape": list(layer.shape),
        "codes": list(layer.codes.shape),
        "alphabet": layer.alphabet,
        "parts": parts,
        "facts": facts_of(layer),
    }


def put_together(key: object, told: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Quantized:
    """Return a matrix from the tensors of a file and what is said of it.

    Raises
    ------
    ValueError, KeyError, TypeError, ...
        If these do not belong together.
    """
    if told["kind"] not in KINDS:
        raise ValueError(f"kind of weights {str(told['kind'])[:40]!r} is not known here")
    stored, shape, alphabet = tensors[f"{key}.codes"], tuple(told["codes"]), told["alphabet"]
    if alphabet is None:
        if stored.dtype != torch.float32 or stored.shape != shape:
            raise ValueError(f"float32 weights of {stored.dtype} and shape {tuple(stored.shape)}")
        codes = stored.view(torch.int32)
    else:
        if type(alphabet) is not int or not 1 <= alphabet <= _MAX_ALPHABET:
            raise ValueError(f"{str(alphabet)[:40]} levels")
        if stored.dtype != torch.uint8 or len(stored) != packed_size(math.prod(shape), alphabet):
            raise ValueError(f"{math.prod(shape)} codes of {alphabet} levels in {stored.nbytes} bytes")
        codes = unpack_codes(stored.numpy().tobytes(), shape, alphabet)
    parts = {name: tensors[f"{owner}.{name}"] for name, owner in told["parts"].items()}
    facts = {name: tuple(v) if isinstance(v, list) else v for name, v in told["facts"].items()}
    layer = restored(told["kind"], codes, parts, facts)
    if layer.alphabet != alphabet or layer.shape != tuple(told["shape"]):
        raise ValueError(f"matrix {key} is not of the shape and the levels that it states")
    return layer


def check_memory(layers: Sequence[Mapping[str, Any]], size: int) -> None:
    """Raise ``ValueError`` unless matrices, unpacked, are small enough for a file of that size."""
    allowed = max(_FREE, _TIMES * size)
    for layer in layers:
        numbers = [*layer["shape"], *layer["codes"]]
        if len(numbers) != 4 or not all(type(n) is int and n > 0 for n in numbers):
            raise ValueError(f"layers of shape {layer['shape']} and codes {layer['codes']}")
    weights = sum(math.prod(layer[name]) for layer in layers for name in ("shape", "codes"))
    if 4 * weights > 2 * allowed:
        raise ValueError(f"it would unpack to {4 * weights:,} bytes, more than {2 * allowed:,} for its size")


def _own(layer: Quantized) -> Quantized:
    """Return a matrix without what it has in common with others only by having been made with them."""
    if layer.lead:
        raise ValueError(f"a file holds one head, not {tuple(layer.lead)} of them")
    return layer.own()[0] if isinstance(layer, Values) else layer


def _as_bytes(data: bytearray) -> Tensor:
    return torch.frombuffer(data, dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)


def _equal(first: Tensor | None, second: Tensor) -> bool:
    return first is not None and first.dtype == second.dtype and same_bits(first, second)


def same_bits(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors are equal in every bit: of zeros also the sign."""
    one, other = (tensor.contiguous().reshape(-1).view(torch.uint8) for tensor in (first, second))
    return first.shape == second.shape and torch.equal(one, other)
