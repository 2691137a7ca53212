"""The training of a bank: many independent runs at once.

Every run trains its own head on its own members of the pool, from its own initial weights, over its own
order of batches. The runs share nothing but the arithmetic: weights are stacked along a leading axis, so
that one batched matrix product does what a loop over models would do. What a run draws depends on
``(seed, run)`` alone, and runs are trained in blocks of a fixed size (the last one may be shorter), so a
longer bank begins with the very runs of a shorter one.

What makes the inputs of the heads may be trained with them, a copy for every run; see :class:`TrainedInputs`.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.heads import Bank, HeadConfig, Heads, label_units
from models.trained_heads import TrainedHeads
from molecules.errors import MolmisError
from molecules.streams import stream
from tasks.task import Kind


class TrainedInputs(Protocol):
    """What makes the inputs of heads and is trained with them, a copy for every run."""

    dimensions: int
    device: torch.device

    def initial(self, runs: int) -> dict[str, Tensor]:
        """Return the parameters that training starts from, each of shape (runs, ...)."""

    def groups(self, parameters: Mapping[str, Tensor], rate: float, decay: float) -> list[dict[str, object]]:
        """Return the parameters as groups of an optimiser, for rate and weight decay of the heads."""

    def __call__(self, parameters: Mapping[str, Tensor], batch: Tensor) -> Tensor:
        """Return the inputs (runs, m, d) of the records (runs, m) of a step."""


class FixedInputs:
    """Embeddings that were computed once, as the inputs of heads.

    Parameters
    ----------
    embeddings : Tensor, shape (pool, d)
        Of the records.
    """

    def __init__(self, embeddings: Tensor) -> None:
        self._embeddings = embeddings
        self.dimensions, self.device = embeddings.shape[1], embeddings.device

    def initial(self, runs: int) -> dict[str, Tensor]:
        """Return nothing: they are not trained."""
        del runs
        return {}

    def groups(self, parameters: Mapping[str, Tensor], rate: float, decay: float) -> list[dict[str, object]]:
        """Return no groups."""
        del parameters, rate, decay
        return []

    def __call__(self, parameters: Mapping[str, Tensor], batch: Tensor) -> Tensor:
        """Return the inputs (runs, m, d) of the records (runs, m) of a step."""
        del parameters
        rows = self._embeddings.index_select(0, batch.flatten())  # twice as fast as indexing by both axes
        return rows.view(*batch.shape, -1)


def train_block(
    kind: Kind,
    inputs: Tensor | TrainedInputs,
    labels: Tensor,
    members: NDArray[np.bool_],
    config: HeadConfig,
    seed: int,
    first_run: int,
    on_epoch: Callable[[int], None] = lambda epochs: None,  # noqa: ARG005
) -> Bank:
    """Train a block of runs at once.

    Parameters
    ----------
    kind : Kind
        Chooses the loss: binary cross-entropy or squared error, over observed labels only.
    inputs : Tensor, shape (pool, d), or TrainedInputs
        Embeddings of the pool, or what makes them and is trained, too.
    labels : Tensor, shape (pool, targets)
        NaN where missing.
    members : ndarray of bool, shape (runs, pool)
        Which records each run is trained on; the same number for every run.
    config : HeadConfig
        Architecture and training.
    seed, first_run : int
        Run ``i`` of the block draws from the streams of ``(seed, first_run + i)``.
    on_epoch : callable
        Called with 1 after every epoch.

    Returns
    -------
    Bank
        Snapshots of shape (runs, snapshots, ...), on the CPU: one after every epoch, and the early ones.

    Raises
    ------
    ValueError
        If the runs have different numbers of members.
    MolmisError
        If training diverges.
    """
    members_of_runs = set(members.sum(1).tolist())
    if len(members_of_runs) != 1:
        raise ValueError(f"runs of one block need the same number of members, got {sorted(members_of_runs)}")
    (n_members,) = members_of_runs
    source = FixedInputs(inputs) if isinstance(inputs, Tensor) else inputs
    device, runs = source.device, range(first_run, first_run + len(members))
    centre, spread = (part.to(device) for part in label_units(kind, labels.cpu(), torch.from_numpy(members)))
    own = torch.from_numpy(np.stack([np.flatnonzero(row) for row in members])).to(device)
    sizes = [source.dimensions, *config.hidden, labels.shape[1]]
    trained = TrainedHeads(sizes, config.dropout, seed, runs, device)
    encoders = {name: value.requires_grad_() for name, value in source.initial(len(runs)).items()}
    groups: list[dict[str, object]] = [
        {"params": [trained.weights], "weight_decay": config.weight_decay},
        {"params": [trained.biases], "weight_decay": 0.0},
        *source.groups(encoders, config.learning_rate, config.weight_decay),
    ]
    optimiser = torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
    steps = config.epochs * -(-n_members // config.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    orders = [stream(seed, "batches", run) for run in runs]
    missing = labels.isnan()
    known = torch.where(missing, 0.0, labels)
    observed = (~missing).to(labels.dtype) if bool(missing.any()) else None
    kept = {step: place for place, step in enumerate(config.steps_kept(n_members))}
    now, done = Bank(trained.heads, centre, spread, first_run, encoders), 0
    bank = _room(now, len(kept))
    for _ in range(config.epochs):
        order = np.stack([own_order.permutation(n_members) for own_order in orders])
        for places in torch.split(torch.from_numpy(order).to(device), config.batch_size, dim=1):
            batch = own.gather(1, places)
            given, wanted = source(encoders, batch), (known[batch] - centre[:, None]) / spread[:, None]
            there = None if observed is None else observed[batch]
            slope = trained.backward(kind, given.detach(), wanted, there, further=bool(encoders))
            if slope is not None:
                for value in encoders.values():
                    value.grad = None
                given.backward(slope)  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            done += 1
            if done in kept:
                for room, part in zip(_learned(bank), _learned(now), strict=True):
                    room[:, kept[done]] = part.detach()
        on_epoch(1)
    _refuse_divergence(now)
    return bank


def _room(now: Bank, snapshots: int) -> Bank:
    """Return room for snapshots on the CPU, which every one is written into: never two copies of a bank."""

    def room(part: Tensor) -> Tensor:
        return torch.empty(len(part), snapshots, *part.shape[1:])

    heads = Heads(tuple(map(room, now.snapshots.weights)), tuple(map(room, now.snapshots.biases)))
    encoders = {name: room(values) for name, values in now.encoders.items()}
    return Bank(heads, now.centre.cpu(), now.spread.cpu(), now.first_run, encoders)


def _learned(bank: Bank) -> tuple[Tensor, ...]:
    """Return everything of a block that is trained."""
    return (*bank.snapshots.weights, *bank.snapshots.biases, *bank.encoders.values())


def _refuse_divergence(bank: Bank) -> None:
    """Raise ``MolmisError`` where weights are not finite."""
    if not all(bool(torch.isfinite(part).all()) for part in _learned(bank)):
        raise MolmisError(
            "training diverged: weights are no longer finite; give a smaller --learning-rate, or labels of a "
            "smaller spread"
        )
