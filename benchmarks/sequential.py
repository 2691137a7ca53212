"""The audit as a loop over models, as one would write it with torch alone: the anchor of the fast one."""

import copy
import itertools
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from benchmark.cell_data import CellData
from models.heads import HeadConfig

Quantize = Callable[[Tensor], Tensor]


def uniform(bits: int) -> Quantize:
    """Return the quantizer to ``2^bits - 1`` even levels between minus and plus the largest weight."""

    def quantize(weight: Tensor) -> Tensor:
        step = weight.abs().max() / (2 ** (bits - 1) - 1)
        return torch.round(weight / step) * step

    return quantize


def ternary(sparsity: float) -> Quantize:
    """Return the quantizer that sets a share of the weights to 0, the others to their mean size."""

    def quantize(weight: Tensor) -> Tensor:
        size = weight.abs()
        kept = size > torch.quantile(size.flatten(), sparsity)
        return torch.where(kept, weight.sign() * size[kept].mean(), 0.0)

    return quantize


def sign(weight: Tensor) -> Tensor:
    """Return the signs times the mean size."""
    return torch.where(weight >= 0, 1.0, -1.0) * weight.abs().mean()


#: As many as are audited, of the same kinds.
QUANTIZERS: dict[str, Quantize] = {
    "float32": lambda weight: weight,
    **{f"uniform-{bits}": uniform(bits) for bits in (8, 6, 4, 3, 2)},
    **{f"ternary-{percent}": ternary(percent / 100) for percent in (50, 75, 90)},
    "sign": sign,
}


def trained(data: CellData, members: NDArray[np.bool_], head: HeadConfig) -> list[nn.Sequential]:
    """Train one model and return its snapshots, one after every epoch."""
    places = torch.from_numpy(np.flatnonzero(members))
    sizes = (data.pool.shape[1], *head.hidden, data.pool_labels.shape[1])
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    optimiser = torch.optim.AdamW(model.parameters(), lr=head.learning_rate, weight_decay=head.weight_decay)
    steps = head.epochs * -(-len(places) // head.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    snapshots = []
    for _ in range(head.epochs):
        for batch in torch.split(places[torch.randperm(len(places))], head.batch_size):
            optimiser.zero_grad()
            loss = functional.binary_cross_entropy_with_logits(
                model(data.pool[batch]), data.pool_labels[batch]
            )
            loss.backward()
            optimiser.step()
            schedule.step()
        snapshots.append(copy.deepcopy(model))
    return snapshots


def quantized(model: nn.Sequential, quantize: Quantize) -> nn.Sequential:
    """Return a copy of a model with every weight matrix quantized."""
    made = copy.deepcopy(model)
    for layer in made:
        if isinstance(layer, nn.Linear):
            layer.weight.copy_(quantize(layer.weight))
    return made


def losses(model: nn.Sequential, inputs: Tensor, labels: Tensor) -> Tensor:
    """Return the loss of every record."""
    return functional.binary_cross_entropy_with_logits(model(inputs), labels, reduction="none")[:, 0].double()


def rate(table: Tensor) -> float:
    """Return r of the losses (snapshots, records) of a run."""
    table = table.unique(dim=0)
    gaps = table - table[table.mean(1).argmin()]
    rates = gaps.mean(1) ** 2 / (2 * gaps.var(1))
    return float(rates[~rates.isnan()].min()) if len(table) > 1 else float("nan")


@torch.no_grad()
def rates(snapshots: list[nn.Sequential], inputs: Tensor, labels: Tensor) -> dict[str, float]:
    """Return r of every quantizer."""
    return {
        name: rate(torch.stack([losses(quantized(model, quantize), inputs, labels) for model in snapshots]))
        for name, quantize in QUANTIZERS.items()
    }


def audit(data: CellData, members: NDArray[np.bool_], head: HeadConfig) -> list[dict[str, float]]:
    """Train, quantize and evaluate every run, one after the other."""
    if data.fresh is None or data.fresh_labels is None:
        raise ValueError("the loop takes records drawn afresh")
    torch.manual_seed(0)
    return [rates(trained(data, own, head), data.fresh, data.fresh_labels) for own in members]


@torch.no_grad()
def _scored(model: nn.Sequential, data: CellData) -> Tensor:
    return losses(quantized(model, sign), data.pool, data.pool_labels)


def shadows(data: CellData, members: NDArray[np.bool_], head: HeadConfig) -> list[Tensor]:
    """Train shadow models for one quantizer, and score the pool by each, quantized."""
    torch.manual_seed(0)
    return [_scored(trained(data, own, head)[-1], data) for own in members]
