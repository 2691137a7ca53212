"""Counts and order statistics of many numbers, for many rows at once; on a processor as fast as it can."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

#: Of how many numbers one is looked at first, and the fewest of a row for which that pays.
STRIDE, FEWEST = 17, 1024
#: Standard deviations of the rank of a quantile in a sample that a bracket reaches to either side.
REACH = 3.5


def exceeds(left: Tensor, right: Tensor) -> Tensor:
    """Return whether numbers are greater than others, broadcast; uint8, 1 where they are."""
    if left.device.type != "cpu":
        return (left > right).view(torch.uint8)
    # comparisons of torch are not vectorised: seven times the time of NumPy's
    return torch.from_numpy(np.greater(left.detach().numpy(), right.detach().numpy())).view(torch.uint8)


def ascending(values: Tensor) -> Tensor:
    """Return every row sorted; a fifth of the time of ``torch.sort`` on a processor."""
    if values.device.type != "cpu":
        return values.sort(-1).values
    return torch.from_numpy(np.sort(values.detach().numpy(), axis=-1))


def stable_order(values: Tensor) -> Tensor:
    """Return where the numbers of every sorted row come from, equal ones in the order they stand in.

    On a processor a number and its place are sorted as one integer, half the time of ``torch.argsort``.

    Parameters
    ----------
    values : Tensor of float32, shape (..., n)
        Finite.

    Returns
    -------
    Tensor of int64, shape (..., n)
    """
    if values.device.type != "cpu":
        return values.argsort(stable=True, dim=-1)
    bits = (values.detach().numpy() + np.float32(0)).view(np.int32)  # both zeros are equal
    # bits of negative numbers rise where the numbers fall
    keys = (bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))).astype(np.int64) << 32
    keys |= np.arange(values.shape[-1])
    keys.sort(axis=-1)
    return torch.from_numpy(keys & np.int64(0xFFFFFFFF))


def order_statistic(values: Tensor, index: int) -> Tensor:
    """Return the number that would stand at a place of each row, were it sorted.

    On a processor long rows are cut down first: a seventeenth of a row tells between which two numbers it
    must be looked for, and of 8,192 numbers one in six or fewer lie there. That takes less than half of the
    time of ``numpy.partition`` of the whole row, which takes a quarter of that of ``torch.kthvalue``. Where a
    sample misleads, the whole row is looked through.

    Parameters
    ----------
    values : Tensor of float32, shape (..., n)
        Finite.
    index : int
        Place, from 0 to n - 1.

    Returns
    -------
    Tensor, shape (..., 1)
    """
    if values.device.type != "cpu":
        return values.kthvalue(index + 1, dim=-1, keepdim=True).values
    rows = values.detach().reshape(-1, values.shape[-1]).numpy()
    if rows.shape[1] < FEWEST:
        found = np.partition(rows, index, axis=-1)[:, index].copy()
    else:
        found = _bracketed(rows, index)
    return torch.from_numpy(found).reshape(*values.shape[:-1], 1)


def _bracketed(rows: NDArray[np.float32], index: int) -> NDArray[np.float32]:
    low, high = _bracket(rows, index)
    below = rows < low
    between = (rows <= high) ^ below
    candidates = rows.ravel()[np.flatnonzero(between)]  # a fifth of the time of rows[between]
    stops = np.cumsum(counts(between)).tolist()
    places = (index - counts(below)).tolist()
    found = np.empty(len(rows), np.float32)
    start = 0
    for row, (stop, place) in enumerate(zip(stops, places, strict=True)):
        inside = 0 <= place < stop - start
        part, at = (candidates[start:stop], place) if inside else (rows[row].copy(), index)
        part.partition(at)
        found[row] = part[at]
        start = stop
    return found


def _bracket(rows: NDArray[np.float32], index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return two numbers of each row, shape (rows, 1), that most probably lie around the one looked for."""
    sample = rows[:, ::STRIDE]
    last = sample.shape[1] - 1
    share = index / (rows.shape[1] - 1)
    middle, reach = share * last, REACH * math.sqrt(share * (1 - share) * last) + 1
    low, high = max(0, math.floor(middle - reach)), min(last, math.ceil(middle + reach))
    ordered = np.partition(sample, (low, high), axis=-1)
    # the ends of a sample are not those of a row
    lowest = ordered[:, low, None] if low else np.full((len(rows), 1), -np.inf, np.float32)
    highest = ordered[:, high, None] if high < last else np.full((len(rows), 1), np.inf, np.float32)
    return lowest, highest


def counts(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many of each row, shape (rows, n), are true, by their bits: a third of the time of a sum."""
    packed = np.packbits(mask, axis=-1)
    whole = packed.shape[1] // 8 * 8
    words = np.ascontiguousarray(packed[:, :whole]).view(np.uint64)
    return np.asarray(
        np.bitwise_count(words).sum(1, dtype=np.int64)
        + np.bitwise_count(packed[:, whole:]).sum(1, dtype=np.int64)
    )
