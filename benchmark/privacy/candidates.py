"""Which full-precision heads stand beside the published one, before both are quantized.

The theory compares the published weights with the other elements of the finite set of quantized weights. Of
these only a few can be looked at; a family of candidates says which.
"""

from collections.abc import Sequence

import torch

from models.heads import Bank, Heads
from molecules.streams import stream


def snapshots(bank: Bank, place: int) -> Heads:
    """Return the snapshots of one run, one an epoch, leading axis (epochs,): our reading of the paper."""
    return bank.snapshots[place]


def neighbours(bank: Bank, place: int, size: float, count: int, seed: int = 0) -> Heads:
    """Return small Gaussian perturbations of a published head, leading axis (count,).

    Parameters
    ----------
    bank : Bank
        A block of runs.
    place : int
        Which of its runs.
    size : float
        Standard deviation of the perturbation, relative to that of the weights of each matrix.
    count : int
        How many.
    seed : int
        Of the perturbations; the same for every quantizer.
    """
    rng = stream(seed, "neighbours", bank.first_run + place)
    final = bank.snapshots[place, -1]
    moved = []
    for weight in final.weights:
        noise = torch.from_numpy(rng.normal(size=(count, *weight.shape))).to(weight.dtype)
        moved.append(weight + size * weight.std() * noise)
    return Heads(tuple(moved), tuple(b.expand(count, *b.shape) for b in final.biases))


def other_runs(bank: Bank, place: int) -> Heads:
    """Return the published heads of the other runs of the block, leading axis (runs - 1,)."""
    others = [run for run in range(len(bank.centre)) if run != place]
    return bank.snapshots[others, -1]


def retrained(banks: Sequence[Bank], place: int) -> Heads:
    """Return the published heads of one run trained again without some members, leading axis (banks,)."""
    finals = [bank.snapshots[place, -1] for bank in banks]
    weights = zip(*(head.weights for head in finals), strict=True)
    biases = zip(*(head.biases for head in finals), strict=True)
    return Heads(tuple(map(torch.stack, map(list, weights))), tuple(map(torch.stack, map(list, biases))))
