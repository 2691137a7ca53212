"""Codes packed into bytes, and the size of a quantized matrix as it would be stored.

Codes are grouped into words of whole bytes: ``g`` codes of ``L`` levels are the digits of one number in base
``L`` that fits ``b`` bytes, ``L^g <= 256^b``. Where ``L`` is a power of two these are plain bit fields (8
signs in a byte); three levels go 5 to a byte. For the levels of the zoo the space is within 5 % of log2(L)
bits a code.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.quantizers.quantized import Quantized, Values


@lru_cache(maxsize=1024)
def word_of(levels: int) -> tuple[int, int]:
    """Return the densest word for codes of ``levels`` levels: (codes in it, bytes of it).

    Of words of 1 to 8 bytes it is the one with the fewest bits a code, and the shortest of those.
    """
    best = (0, 1)
    for width in range(1, 9):
        codes = 0
        while levels ** (codes + 1) <= 256**width:
            codes += 1
        if codes * best[1] > best[0] * width:
            best = (codes, width)
    return best


def packed_size(count: int, levels: int | None) -> int:
    """Return the bytes that ``count`` codes of ``levels`` levels take, the length of what :func:`pack` gives.

    Parameters
    ----------
    count : int
        Number of codes.
    levels : int or None
        Number of levels; None for float32 bit patterns, at 4 bytes each. One level takes no space.
    """
    if levels is None:
        return 4 * count
    if levels < 1:
        raise ValueError(f"levels must be at least 1, not {levels}")
    if levels == 1:
        return 0
    codes, width = word_of(levels)
    words, rest = divmod(count, codes)
    tail = 0  # the last word keeps only the bytes that its codes need
    while 256**tail < levels**rest:
        tail += 1
    return words * width + tail


def pack(codes: Tensor, levels: int | None) -> bytes:
    """Pack integer codes into bytes.

    Parameters
    ----------
    codes : Tensor of int, any shape
        From 0 to ``levels - 1``; for ``levels`` None, int32 bit patterns of float32 numbers.
    levels : int or None
        Number of levels.

    Raises
    ------
    ValueError
        If a code is outside its range.
    """
    flat = codes.detach().cpu().numpy().reshape(-1)
    if levels is None:
        return flat.astype("<i4").tobytes()
    size = packed_size(flat.size, levels)
    if flat.size and (flat.min() < 0 or flat.max() >= levels):
        raise ValueError(f"codes must be from 0 to {levels - 1}, not {flat.min()} to {flat.max()}")
    if levels == 1:
        return b""
    group, width = word_of(levels)
    digits = np.zeros((math.ceil(flat.size / group), group), dtype=np.uint64)
    digits.reshape(-1)[: flat.size] = flat
    words = (digits * _place_values(levels, group)).sum(axis=1, dtype=np.uint64)
    octets: NDArray[np.uint8] = words.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :width]
    return octets.tobytes()[:size]


def unpack(data: bytes, shape: tuple[int, ...], levels: int | None) -> Tensor:
    """Return the codes that :func:`pack` packed.

    Returns
    -------
    Tensor of the given shape
        uint8 for up to 256 levels, int32 for bit patterns (``levels`` None), else int64.

    Raises
    ------
    ValueError
        If the number of bytes is not the one that the shape and the levels ask for.
    """
    count = math.prod(shape)
    if len(data) != packed_size(count, levels):
        needed = packed_size(count, levels)
        raise ValueError(f"{count} codes of {levels} levels take {needed} bytes, not {len(data)}")
    if levels is None:
        return torch.from_numpy(np.frombuffer(data, "<i4").astype(np.int32)).reshape(shape)
    kind = np.uint8 if levels <= 256 else np.int64
    if levels == 1:
        return torch.zeros(shape, dtype=torch.uint8)
    group, width = word_of(levels)
    rows = math.ceil(count / group)
    padded = data.ljust(rows * width, b"\0")
    words = np.zeros((rows, 8), dtype=np.uint8)
    words[:, :width] = np.frombuffer(padded, np.uint8).reshape(rows, width)
    digits = words.view("<u8").astype(np.uint64) // _place_values(levels, group) % np.uint64(levels)
    return torch.from_numpy(digits.reshape(-1)[:count].astype(kind)).reshape(shape)


def packed_bytes(quantized: Quantized) -> Tensor:
    """Return the bytes that each matrix takes in storage, int64 of shape (...,).

    Its packed codes, and what it stores beside them. Levels that follow from the quantizer's name are not
    stored. A matrix with values of its own packs its codes by the number of values that it uses.
    """
    if isinstance(quantized, Values):
        matrices = quantized.own()
        sizes = [packed_size(m.codes.numel(), m.alphabet) for m in matrices]
        return quantized.side_bytes() + torch.tensor(sizes, dtype=torch.int64).reshape(quantized.lead)
    return quantized.side_bytes() + packed_size(quantized.codes.shape[-2:].numel(), quantized.alphabet)


def _place_values(levels: int, group: int) -> NDArray[np.uint64]:
    """Return 1, L, L^2, ...: what the digits of a word count."""
    return np.array([levels**place for place in range(group)], dtype=np.uint64)
