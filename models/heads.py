"""A bank of MLP heads: how they are built and trained, what they say of records, and their snapshots."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

import torch
from torch import Tensor
from torch.nn import functional

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

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the outputs of H stacked heads.

        Parameters
        ----------
        inputs : Tensor, shape (m, d) or (H, m, d)
            The same records for every head, or each head's own.

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
                hidden = hidden.relu_()  # nobody else has what a linear layer has just made
        return hidden

    @property
    def parameters(self) -> int:
        """Parameters of one head."""
        return sum(w.shape[-1] * w.shape[-2] + w.shape[-2] for w in self.weights)


def _linear(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Apply H stacked linear layers to shared (m, d) or own (H, m, d) inputs."""
    if inputs.dim() == 2:  # one large matrix product for all heads
        heads, out, _ = weight.shape
        product = functional.linear(inputs, weight.reshape(heads * out, -1), bias.flatten())
        return product.view(-1, heads, out).transpose(0, 1)
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
    encoders : mapping of str to Tensor
        Parameters of the encoders that were trained with the heads, by name, leading axes (runs, snapshots);
        none where one frozen encoder serves all.
    """

    snapshots: Heads
    centre: Tensor
    spread: Tensor
    first_run: int
    encoders: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def runs(self) -> range:
        """Numbers of the block's runs within the bank."""
        return range(self.first_run, self.first_run + len(self.centre))

    @property
    def kept(self) -> int:
        """Number of snapshots of every run."""
        return self.snapshots.biases[0].shape[1]

    def block(self, runs: range) -> "Bank":
        """Return some of the runs, by their numbers within the bank, as a block of their own."""
        own = slice(runs.start - self.first_run, runs.stop - self.first_run)
        encoders = {name: values[own] for name, values in self.encoders.items()}
        return Bank(self.snapshots[own], self.centre[own], self.spread[own], runs.start, encoders)

    def keeping(self, snapshots: list[int]) -> "Bank":
        """Return the block with some of its snapshots only."""
        encoders = {name: values[:, snapshots] for name, values in self.encoders.items()}
        return replace(self, snapshots=self.snapshots[:, snapshots], encoders=encoders)


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
    whole = bool(observed.all())
    known = labels if whole else torch.where(observed, labels, torch.zeros_like(labels))
    if kind is Kind.CLASSIFICATION:
        # softplus(z) - y z: the cross-entropy of a logit, without an intermediate probability
        loss = functional.softplus(outputs) - outputs * known
    else:
        loss = (outputs - known).square()
    if whole and labels.shape[-1] == 1:
        return loss[..., 0].double()
    if whole and labels.shape[-1]:
        return loss.mean(-1, dtype=torch.float64)
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
