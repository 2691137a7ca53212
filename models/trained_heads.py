"""The heads of a block while they are trained: their parameters, and the slopes of their losses.

The slopes are written down, not traced by autograd: a head is a few matrix products, and what a trace costs
beside them, and the copies of transposed slopes, would be a third of the time of training.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.heads import Heads
from molecules.streams import stream
from tasks.task import Kind


class TrainedHeads:
    """Stacked heads whose losses descend.

    Parameters
    ----------
    sizes : sequence of int
        Features of the inputs, widths of the hidden layers, and targets.
    dropout : float
        Share of the hidden values that are left out in every step, drawn for each run from its own stream.
    seed : int
        Run ``i`` of the block draws from the streams of ``(seed, runs[i])``.
    runs : range
        Numbers of the runs.
    device : torch.device
        Where they are trained.

    Attributes
    ----------
    heads : Heads
        As they are now: views of the parameters, leading axis (runs,).
    weights, biases : Tensor of float32
        The parameters, one vector of each for all runs and layers: what an optimiser does to thousands of
        numbers at once takes as long as what it does to one. Their ``grad`` is written by :meth:`backward`.
    """

    def __init__(
        self, sizes: Sequence[int], dropout: float, seed: int, runs: range, device: torch.device
    ) -> None:
        weights, biases = _initial(sizes, seed, runs)
        self.weights, self.biases = _joined(weights).to(device), _joined(biases).to(device)
        self.weights.grad, self.biases.grad = torch.zeros_like(self.weights), torch.zeros_like(self.biases)
        self.heads = Heads(_parted(self.weights, weights), _parted(self.biases, biases))
        self._slopes = Heads(_parted(self.weights.grad, weights), _parted(self.biases.grad, biases))
        self._dropout, self._device = dropout, device
        self._streams = [stream(seed, "dropout", run) for run in runs] if dropout else []

    def backward(
        self, kind: Kind, inputs: Tensor, labels: Tensor, observed: Tensor | None, *, further: bool = False
    ) -> Tensor | None:
        """Find the slopes of the losses of one step, summed over runs: within a run, the mean over labels.

        Parameters
        ----------
        kind : Kind
            Binary cross-entropy or squared error.
        inputs : Tensor, shape (runs, m, d)
            The records of each run.
        labels : Tensor, shape (runs, m, targets)
            In the unit of the head; any finite number where there is none.
        observed : Tensor of float32, shape (runs, m, targets), or None
            1 where there is a label, else 0; None if all are there.
        further : bool
            Whether the slopes by the inputs are wanted, too.

        Returns
        -------
        Tensor, shape (runs, m, d), or None
            Those by the inputs.
        """
        values, last = [inputs], len(self.heads.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.heads.weights, self.heads.biases, strict=True)):
            value = torch.baddbmm(bias[:, None], values[-1], weight.mT)
            values.append(value if layer == last else self._left(value.relu_()))
        slope = _slope(kind, values.pop(), labels, observed)
        for layer in range(last, -1, -1):
            torch.bmm(slope.mT, values[layer], out=self._slopes.weights[layer])
            torch.sum(slope, 1, out=self._slopes.biases[layer])
            if layer or further:
                slope = torch.bmm(slope, self.heads.weights[layer])
            if layer:  # where a hidden value is not positive, nothing depends on what it was made of
                slope *= values[layer].sign_()
                if self._dropout:
                    slope /= 1 - self._dropout
        return slope if further else None

    def _left(self, hidden: Tensor) -> Tensor:
        """Leave hidden values (runs, m, width) out, and scale the others up."""
        if not self._dropout:
            return hidden
        drawn = np.stack([s.random(hidden.shape[1:], dtype=np.float32) for s in self._streams])
        kept = (drawn >= self._dropout) / np.float32(1 - self._dropout)
        return hidden.mul_(torch.from_numpy(kept).to(self._device))


def _slope(kind: Kind, outputs: Tensor, labels: Tensor, observed: Tensor | None) -> Tensor:
    """Return the slopes of the losses by the outputs, which are written over."""
    classes = kind is Kind.CLASSIFICATION
    slope = outputs.sigmoid_().sub_(labels) if classes else outputs.sub_(labels).mul_(2)
    if observed is None:
        return slope.div_(labels.shape[1] * labels.shape[2])
    return slope.mul_(observed).div_(observed.sum((1, 2), keepdim=True).clamp_(min=1))


def _initial(
    sizes: Sequence[int], seed: int, runs: range
) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]:
    """Draw the initial weights and biases of every run, uniform within 1/sqrt(fan-in) as torch.nn.Linear."""
    streams = [stream(seed, "weights", run) for run in runs]
    weights, biases = [], []
    for fan_in, fan_out in itertools.pairwise(sizes):
        bound = fan_in**-0.5
        weights.append(np.stack([s.uniform(-bound, bound, (fan_out, fan_in)) for s in streams]))
        biases.append(np.stack([s.uniform(-bound, bound, fan_out) for s in streams]))
    return [w.astype(np.float32) for w in weights], [b.astype(np.float32) for b in biases]


def _joined(parts: Sequence[NDArray[np.float32]]) -> Tensor:
    return torch.from_numpy(np.concatenate([part.ravel() for part in parts]))


def _parted(joined: Tensor, parts: Sequence[NDArray[np.float32]]) -> tuple[Tensor, ...]:
    """Return the parts of a vector, in the shapes that were joined."""
    pieces = torch.split(joined, [part.size for part in parts])
    return tuple(piece.view(part.shape) for piece, part in zip(pieces, parts, strict=True))
