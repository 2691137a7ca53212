"""A bank of MLP heads: many independent training runs done at once, and their snapshots.

Every run trains its own head on its own members of the pool, from its own initial weights, over its own
order of batches. The runs share nothing but the arithmetic: weights are stacked along a leading axis, so
that one batched matrix product does what a loop over models would do. What a run draws depends on
``(seed, run)`` alone, and runs are trained in blocks of a fixed size (the last one may be shorter), so a
longer bank begins with the very runs of a shorter one.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from molecules.errors import MolmisError
from molecules.streams import stream
from tasks.task import Kind


@dataclass(frozen=True)
class HeadConfig:
    """How every head of a bank is built and trained.

    Attributes
    ----------
    hidden : tuple of int
        Widths of the hidden layers (ReLU between them).
    epochs : int
        Passes over the members; one snapshot after each.
    batch_size : int
        Members a step.
    learning_rate, weight_decay : float
        Of AdamW (Loshchilov & Hutter, 2019), with the rate annealed to zero along a cosine.
    dropout : float
        Share of the hidden values that are left out in every training step, the others scaled up.
    early_snapshots : int
        Snapshots within the first epoch, evenly over its steps, beside those after every epoch.
    """

    hidden: tuple[int, ...] = (64, 64)
    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    dropout: float = 0.0
    early_snapshots: int = 0

    def recipe(self) -> dict[str, object]:
        """Return what trained heads depend on, JSON-able; what is switched off is left out."""
        switches = ("dropout", "early_snapshots")
        return {name: value for name, value in asdict(self).items() if value or name not in switches}

    def steps_kept(self, members: int) -> list[int]:
        """Return after how many training steps snapshots are kept, for so many members of a run."""
        each = -(-members // self.batch_size)
        early = {
            round(place * each / (self.early_snapshots + 1)) for place in range(1, self.early_snapshots + 1)
        }
        return [*sorted(early - {0, each}), *(each * epoch for epoch in range(1, self.epochs + 1))]


@dataclass(frozen=True)
class Heads:
    """Stacked MLPs.

    Attributes
    ----------
    weights : tuple of Tensor
        One a layer, each of shape (..., out, in).
    biases : tuple of Tensor
        One a layer, each of shape (..., out).
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]

    def __getitem__(self, index: object) -> "Heads":
        """Index the leading axes of every tensor."""
        return Heads(tuple(w[index] for w in self.weights), tuple(b[index] for b in self.biases))  # type: ignore[index]

    def __call__(self, inputs: Tensor, between: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Return the outputs of H stacked heads.

        Parameters
        ----------
        inputs : Tensor, shape (m, d) or (H, m, d)
            The same records for every head, or each head's own.
        between : callable or None
            Applied to the hidden values (H, m, width) of every layer, as dropout is in training.

        Returns
        -------
        Tensor, shape (H, m, targets)
            Logits in classification; standardised predictions in regression.
        """
        hidden = inputs
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = _linear(hidden, weight, bias)
            if layer < last:
                hidden = hidden.relu()
                hidden = hidden if between is None else between(hidden)
        return hidden

    @property
    def parameters(self) -> int:
        """Parameters of one head."""
        return sum(w.shape[-1] * w.shape[-2] + w.shape[-2] for w in self.weights)


def _linear(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Apply H stacked linear layers to shared (m, d) or own (H, m, d) inputs."""
    if inputs.dim() == 2:  # one large matrix product for all heads
        heads, out, _ = weight.shape
        product = inputs @ weight.reshape(heads * out, -1).T
        return product.view(-1, heads, out).transpose(0, 1) + bias[:, None]
    return torch.baddbmm(bias[:, None], inputs, weight.transpose(1, 2))


@dataclass(frozen=True)
class Bank:
    """A block of trained runs.

    Attributes
    ----------
    snapshots : Heads
        Leading axes (runs, snapshots); the last one is the head that would be published.
    centre, spread : Tensor, shape (runs, targets)
        What predictions are multiplied with and shifted by to have the label's unit: mean and standard
        deviation over the run's members in regression; 0 and 1 in classification.
    first_run : int
        Number of the block's first run within the bank.
    """

    snapshots: Heads
    centre: Tensor
    spread: Tensor
    first_run: int

    @property
    def runs(self) -> range:
        """Numbers of the block's runs within the bank."""
        return range(self.first_run, self.first_run + len(self.centre))


def record_losses(kind: Kind, outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the loss of every record: the mean over its observed labels.

    Parameters
    ----------
    kind : Kind
        Classification: binary cross-entropy of the logits. Regression: squared error.
    outputs, labels : Tensor, shape (..., m, targets)
        Labels are NaN where missing; in regression both are in the same (standardised) unit.

    Returns
    -------
    Tensor of float64, shape (..., m)
        NaN for a record with no observed label.
    """
    observed = ~labels.isnan()
    known = torch.where(observed, labels, torch.zeros_like(labels))
    if kind is Kind.CLASSIFICATION:
        # softplus(z) - y z: the cross-entropy of a logit, without an intermediate probability
        loss = functional.softplus(outputs) - outputs * known
    else:
        loss = (outputs - known).square()
    counts = observed.sum(-1)
    total = torch.where(observed, loss, torch.zeros_like(loss)).sum(-1, dtype=torch.float64)
    return torch.where(counts > 0, total / counts.clamp(min=1), torch.full_like(total, torch.nan))


def label_units(kind: Kind, labels: Tensor, members: Tensor) -> tuple[Tensor, Tensor]:
    """Return centre and spread of the labels over each run's members, each of shape (runs, targets).

    Only members enter, so a head's unit tells nothing about records it was not trained on.
    """
    runs, targets = members.shape[0], labels.shape[1]
    if kind is Kind.CLASSIFICATION:
        return torch.zeros(runs, targets), torch.ones(runs, targets)
    own = torch.where(members[:, :, None], labels[None], torch.nan).double()
    centre = own.nanmean(1)
    spread = (own - centre[:, None]).square().nanmean(1).sqrt()
    spread = torch.where(spread > 0, spread, torch.ones_like(spread))
    return centre.nan_to_num(0.0).float(), spread.nan_to_num(1.0).float()


def _initial(
    sizes: Sequence[int], seed: int, runs: range, device: torch.device
) -> tuple[list[Tensor], list[Tensor]]:
    """Draw the initial weights and biases of every run, uniform within 1/sqrt(fan-in) as torch.nn.Linear."""
    streams = [stream(seed, "weights", run) for run in runs]
    weights, biases = [], []
    for fan_in, fan_out in itertools.pairwise(sizes):
        bound = fan_in**-0.5
        weights.append(np.stack([s.uniform(-bound, bound, (fan_out, fan_in)) for s in streams]))
        biases.append(np.stack([s.uniform(-bound, bound, fan_out) for s in streams]))

    def as_parameters(arrays: list[NDArray[np.float64]]) -> list[Tensor]:
        return [torch.from_numpy(a.astype(np.float32)).to(device).requires_grad_() for a in arrays]

    return as_parameters(weights), as_parameters(biases)


def _batch_loss(kind: Kind, outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the training loss summed over runs: within a run, the mean over observed labels."""
    observed = ~labels.isnan()
    known = torch.where(observed, labels, torch.zeros_like(labels))
    if kind is Kind.CLASSIFICATION:
        loss = functional.binary_cross_entropy_with_logits(outputs, known, reduction="none")
    else:
        loss = (outputs - known).square()
    weight = observed.to(loss.dtype)
    return ((loss * weight).sum((1, 2)) / weight.sum((1, 2)).clamp(min=1)).sum()


def _dropout(share: float, seed: int, runs: range, device: torch.device) -> Callable[[Tensor], Tensor] | None:
    """Return what leaves hidden values out, drawn for each run from its own stream; None for a share of 0."""
    if not share:
        return None
    streams = [stream(seed, "dropout", run) for run in runs]

    def dropped(hidden: Tensor) -> Tensor:
        drawn = np.stack([s.random(hidden.shape[1:], dtype=np.float32) for s in streams])
        return hidden * torch.from_numpy((drawn >= share) / np.float32(1 - share)).to(device)

    return dropped


def train_block(
    kind: Kind,
    inputs: Tensor,
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
    inputs : Tensor, shape (pool, d)
        Embeddings of the pool.
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
    sizes_of_runs = set(members.sum(1).tolist())
    if len(sizes_of_runs) != 1:
        raise ValueError(f"runs of one block need the same number of members, got {sorted(sizes_of_runs)}")
    (n_members,) = sizes_of_runs
    device = inputs.device
    runs = range(first_run, first_run + len(members))
    centre, spread = label_units(kind, labels.cpu(), torch.from_numpy(members))
    centre, spread = centre.to(device), spread.to(device)
    own = torch.from_numpy(np.stack([np.flatnonzero(row) for row in members])).to(device)

    sizes = [inputs.shape[1], *config.hidden, labels.shape[1]]
    weights, biases = _initial(sizes, seed, runs, device)
    optimiser = torch.optim.AdamW(
        [{"params": weights, "weight_decay": config.weight_decay}, {"params": biases, "weight_decay": 0.0}],
        lr=config.learning_rate,
        foreach=True,
    )
    steps = config.epochs * -(-n_members // config.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    orders = [stream(seed, "batches", run) for run in runs]
    between = _dropout(config.dropout, seed, runs, device)
    wanted, done = set(config.steps_kept(n_members)), 0
    kept: list[Heads] = []
    for _ in range(config.epochs):
        order = torch.from_numpy(np.stack([own_order.permutation(n_members) for own_order in orders])).to(
            device
        )
        for start in range(0, n_members, config.batch_size):
            batch = own.gather(1, order[:, start : start + config.batch_size])
            outputs = Heads(tuple(weights), tuple(biases))(inputs[batch], between)
            target = (labels[batch] - centre[:, None]) / spread[:, None]
            optimiser.zero_grad(set_to_none=True)
            _batch_loss(kind, outputs, target).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            done += 1
            if done in wanted:
                kept.append(_copied(weights, biases))
        on_epoch(1)
    if not all(bool(torch.isfinite(part).all()) for part in (*kept[-1].weights, *kept[-1].biases)):
        raise MolmisError(
            "training diverged: weights are no longer finite; give a smaller --learning-rate, or labels of a "
            "smaller spread"
        )
    snapshots = Heads(
        tuple(torch.stack([k.weights[layer] for k in kept], 1) for layer in range(len(weights))),
        tuple(torch.stack([k.biases[layer] for k in kept], 1) for layer in range(len(biases))),
    )
    return Bank(snapshots, centre.cpu(), spread.cpu(), first_run)


def _copied(weights: Sequence[Tensor], biases: Sequence[Tensor]) -> Heads:
    """Return weights and biases as they are now, on the CPU."""
    return Heads(
        tuple(w.detach().cpu().clone() for w in weights), tuple(b.detach().cpu().clone() for b in biases)
    )
