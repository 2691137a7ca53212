"""The bank against one torch.nn model at a time."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from models.bank_file import load_bank, save_bank
from models.heads import HeadConfig, Heads, label_units, record_losses
from models.train_bank import train_block
from molecules.errors import MolmisError
from molecules.splits import member_halves
from molecules.streams import stream
from tasks.task import Kind

CONFIG = HeadConfig(hidden=(8, 5), epochs=3, batch_size=7, learning_rate=3e-3)


def data(
    kind: Kind, records: int = 40, features: int = 6, targets: int = 2
) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    inputs = torch.from_numpy(rng.normal(size=(records, features)).astype(np.float32))
    labels = rng.normal(3.0, 2.0, (records, targets))
    if kind is Kind.CLASSIFICATION:
        labels = (labels > 3).astype(float)
    labels[rng.random(labels.shape) < 0.2] = np.nan
    return inputs, torch.from_numpy(labels.astype(np.float32))


def sequential(weights: list[torch.Tensor], biases: list[torch.Tensor]) -> nn.Sequential:
    """One ordinary model with given weights."""
    layers: list[nn.Module] = []
    for place, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        linear = nn.Linear(weight.shape[1], weight.shape[0])
        linear.weight.data, linear.bias.data = weight.clone(), bias.clone()
        layers += [linear] + ([nn.ReLU()] if place < len(weights) - 1 else [])
    return nn.Sequential(*layers)


class Left(nn.Module):
    """Dropout by masks that are drawn from a stream."""

    def __init__(self, share: float, draws: np.random.Generator) -> None:
        super().__init__()
        self.share, self.draws = share, draws

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return hidden
        kept = torch.from_numpy(self.draws.random(hidden.shape, dtype=np.float32)) >= self.share
        return torch.where(kept, hidden / (1 - self.share), 0.0)


def train_alone(
    kind: Kind,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    members: np.ndarray,
    seed: int,
    run: int,
    config: HeadConfig = CONFIG,
):
    """Train one run plainly, the way a single model is trained, from the same streams."""
    draws, sizes = stream(seed, "weights", run), [inputs.shape[1], *config.hidden, labels.shape[1]]
    weights, biases = [], []
    for fan_in, fan_out in itertools.pairwise(sizes):
        bound = fan_in**-0.5
        weights.append(torch.from_numpy(draws.uniform(-bound, bound, (fan_out, fan_in)).astype(np.float32)))
        biases.append(torch.from_numpy(draws.uniform(-bound, bound, fan_out).astype(np.float32)))
    model = sequential(weights, biases)
    if config.dropout:
        masks = stream(seed, "dropout", run)
        layers = [
            [part, Left(config.dropout, masks)] if isinstance(part, nn.ReLU) else [part] for part in model
        ]
        model = nn.Sequential(*itertools.chain(*layers))
    own, observed = np.flatnonzero(members), labels.numpy()[members]
    if kind is Kind.REGRESSION:
        centre, spread = np.nanmean(observed, 0), np.nanstd(observed, 0)
    else:
        centre, spread = np.zeros(labels.shape[1]), np.ones(labels.shape[1])
    decayed = [p for name, p in model.named_parameters() if name.endswith("weight")]
    others = [p for name, p in model.named_parameters() if name.endswith("bias")]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=config.learning_rate,
    )
    steps = config.epochs * -(-len(own) // config.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    order_stream = stream(seed, "batches", run)
    for _ in range(config.epochs):
        order = order_stream.permutation(len(own))
        for start in range(0, len(own), config.batch_size):
            batch = own[order[start : start + config.batch_size]]
            target = (labels[batch] - torch.from_numpy(centre).float()) / torch.from_numpy(spread).float()
            mask = ~target.isnan()
            output = model(inputs[batch])[mask]
            function = (
                nn.functional.binary_cross_entropy_with_logits
                if kind is Kind.CLASSIFICATION
                else nn.functional.mse_loss
            )
            optimiser.zero_grad()
            function(output, target[mask]).backward()
            optimiser.step()
            schedule.step()
    model.eval()
    return model, centre, spread


@pytest.mark.parametrize("kind", list(Kind))
def test_bank_equals_training_each_model_alone(kind):
    inputs, labels = data(kind)
    members = member_halves(len(inputs), 3, seed=4)
    bank = train_block(kind, inputs, labels, members, CONFIG, seed=4, first_run=0)
    assert bank.snapshots.weights[0].shape == (3, CONFIG.epochs, 8, 6)
    with torch.no_grad():
        together = bank.snapshots[:, -1](inputs)
    for run in range(3):
        alone, centre, spread = train_alone(kind, inputs, labels, members[run], 4, run)
        with torch.no_grad():
            torch.testing.assert_close(together[run], alone(inputs), atol=2e-5, rtol=1e-4)
        np.testing.assert_allclose(bank.centre[run], centre, rtol=1e-5)
        np.testing.assert_allclose(bank.spread[run], spread, rtol=1e-5)


@pytest.mark.parametrize("hidden", [(), (9,), (8, 5, 6)])
def test_depth_and_dropout_are_those_of_single_models(hidden):
    config = replace(CONFIG, hidden=hidden, dropout=0.3, weight_decay=0.1)
    inputs, labels = data(Kind.CLASSIFICATION)
    members = member_halves(len(inputs), 3, seed=4)
    bank = train_block(Kind.CLASSIFICATION, inputs, labels, members, config, seed=4, first_run=0)
    assert len(bank.snapshots.weights) == len(hidden) + 1
    together = bank.snapshots[:, -1](inputs)
    for run in range(3):
        alone, *_ = train_alone(Kind.CLASSIFICATION, inputs, labels, members[run], 4, run, config)
        torch.testing.assert_close(together[run], alone(inputs).detach(), atol=2e-5, rtol=1e-4)


def test_early_snapshots_are_of_the_first_epoch_and_change_nothing_else():
    inputs, labels = data(Kind.REGRESSION)
    members = member_halves(len(inputs), 2, seed=4)
    config = replace(CONFIG, early_snapshots=9)  # an epoch of 20 members has three steps
    assert config.steps_kept(20) == [1, 2, 3, 6, 9]
    assert replace(CONFIG, early_snapshots=1).steps_kept(20) == [2, 3, 6, 9]
    more = train_block(Kind.REGRESSION, inputs, labels, members, config, 4, 0).snapshots
    plain = train_block(Kind.REGRESSION, inputs, labels, members, CONFIG, 4, 0).snapshots
    assert more.weights[0].shape[1] == 5
    assert all(torch.equal(a[:, 2:], b) for a, b in zip(more.weights, plain.weights, strict=True))
    assert not torch.equal(more.weights[0][:, 0], more.weights[0][:, 1])


def test_the_recipe_leaves_out_what_is_switched_off():
    assert set(CONFIG.recipe()) == {"hidden", "epochs", "batch_size", "learning_rate", "weight_decay"}
    assert replace(CONFIG, dropout=0.1).recipe()["dropout"] == 0.1
    assert replace(CONFIG, early_snapshots=2).recipe() != CONFIG.recipe()
    assert replace(CONFIG, weight_decay=0.0).recipe()["weight_decay"] == 0.0


def test_longer_bank_begins_with_the_runs_of_a_shorter_one():
    inputs, labels = data(Kind.REGRESSION)
    members = member_halves(len(inputs), 4, seed=1)
    first = train_block(Kind.REGRESSION, inputs, labels, members[:2], CONFIG, 1, 0)
    second = train_block(Kind.REGRESSION, inputs, labels, members[2:], CONFIG, 1, 2)
    together = train_block(Kind.REGRESSION, inputs, labels, members, CONFIG, 1, 0)
    for layer in range(3):
        joined = torch.cat([first.snapshots.weights[layer], second.snapshots.weights[layer]])
        torch.testing.assert_close(joined, together.snapshots.weights[layer], atol=1e-5, rtol=1e-4)


def test_same_seed_same_bits():
    inputs, labels = data(Kind.CLASSIFICATION)
    members = member_halves(len(inputs), 2, seed=1)
    one, two = (train_block(Kind.CLASSIFICATION, inputs, labels, members, CONFIG, 1, 0) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.snapshots.weights, two.snapshots.weights, strict=True))


def test_non_members_do_not_enter_training():
    inputs, labels = data(Kind.REGRESSION)
    members = member_halves(len(inputs), 2, seed=2)[:1]
    changed_inputs, changed_labels = inputs.clone(), labels.clone()
    changed_inputs[~members[0]] = 99.0
    changed_labels[~members[0]] = -1e4
    one = train_block(Kind.REGRESSION, inputs, labels, members, CONFIG, 0, 0)
    two = train_block(Kind.REGRESSION, changed_inputs, changed_labels, members, CONFIG, 0, 0)
    assert all(torch.equal(a, b) for a, b in zip(one.snapshots.weights, two.snapshots.weights, strict=True))
    assert torch.equal(one.centre, two.centre)


def test_shared_and_own_inputs_give_the_same():
    rng = torch.Generator().manual_seed(0)
    heads = Heads(
        tuple(torch.randn(3, out, width, generator=rng) for width, out in ((4, 5), (5, 2))),
        tuple(torch.randn(3, out, generator=rng) for out in (5, 2)),
    )
    inputs = torch.randn(7, 4, generator=rng)
    torch.testing.assert_close(heads(inputs), heads(inputs.expand(3, 7, 4)))
    for place in range(3):
        one = sequential([w[place] for w in heads.weights], [b[place] for b in heads.biases])
        torch.testing.assert_close(heads(inputs)[place], one(inputs))
    assert heads.parameters == 4 * 5 + 5 + 5 * 2 + 2


def test_record_losses_against_torch_with_missing_labels():
    rng = torch.Generator().manual_seed(1)
    outputs = 4 * torch.randn(2, 6, 3, generator=rng)
    labels = torch.randint(0, 2, (6, 3), generator=rng).float()
    labels[0, 1] = labels[2, :2] = labels[5] = torch.nan
    for kind, function in (
        (Kind.CLASSIFICATION, nn.functional.binary_cross_entropy_with_logits),
        (Kind.REGRESSION, nn.functional.mse_loss),
    ):
        found = record_losses(kind, outputs, labels)
        assert found.shape == (2, 6)
        for head in range(2):
            for record in range(5):
                known = ~labels[record].isnan()
                expected = function(outputs[head, record][known], labels[record][known])
                assert found[head, record].item() == pytest.approx(expected.item(), rel=1e-5)
        assert found[:, 5].isnan().all()  # no label at all


def test_a_label_without_members_has_a_neutral_unit():
    labels = torch.tensor([[1.0, torch.nan], [3.0, torch.nan], [9.0, 5.0]])
    centre, spread = label_units(Kind.REGRESSION, labels, torch.tensor([[True, True, False]]))
    torch.testing.assert_close(centre, torch.tensor([[2.0, 0.0]]))
    torch.testing.assert_close(spread, torch.tensor([[1.0, 1.0]]))


def test_runs_of_different_size_are_refused():
    inputs, labels = data(Kind.REGRESSION)
    members = np.zeros((2, len(inputs)), dtype=bool)
    members[0, :5] = members[1, :6] = True
    with pytest.raises(ValueError, match="same number of members"):
        train_block(Kind.REGRESSION, inputs, labels, members, CONFIG, 0, 0)


def test_bank_file_round_trip(tmp_path):
    inputs, labels = data(Kind.REGRESSION)
    bank = train_block(Kind.REGRESSION, inputs, labels, member_halves(len(inputs), 2, 0), CONFIG, 0, 16)
    path = tmp_path / "bank.safetensors"
    save_bank(path, bank, "key")
    read = load_bank(path, "key")
    assert read is not None
    assert read.runs == bank.runs == range(16, 18)
    assert torch.equal(read.spread, bank.spread)
    for name in ("weights", "biases"):
        for one, two in zip(getattr(read.snapshots, name), getattr(bank.snapshots, name), strict=True):
            assert torch.equal(one, two)
    assert load_bank(path, "another key") is None
    assert load_bank(tmp_path / "absent.safetensors", "key") is None


def test_training_that_diverges_is_one_line():
    inputs, labels = data(Kind.REGRESSION)
    config = replace(CONFIG, learning_rate=1e30)
    with pytest.raises(MolmisError, match=r"training diverged: .* smaller --learning-rate"):
        train_block(Kind.REGRESSION, inputs, labels, member_halves(len(inputs), 2, 0), config, 0, 0)


@pytest.mark.parametrize(
    "index",
    [(1, [0, 2]), (0, [2, 0, 2]), (2, [0, 1, 2, 3]), (1, [-1]), (1, []), 1, (slice(None), -1), ([0, 2], 1)],
)
def test_some_heads_are_those_that_tensors_are_indexed_to(index):
    rng = torch.Generator().manual_seed(0)
    weights = tuple(torch.randn(3, 4, *shape, generator=rng) for shape in ((5, 6), (2, 5)))
    biases = tuple(torch.randn(3, 4, out, generator=rng) for out in (5, 2))
    found = Heads(weights, biases)[index]
    for own, whole in zip((*found.weights, *found.biases), (*weights, *biases), strict=True):
        assert torch.equal(own, whole[index])


@pytest.mark.parametrize("kind", list(Kind))
def test_losses_of_whole_labels_are_those_that_missing_ones_would_not_change(kind):
    """Labels that are all there take a shorter way."""
    outputs, labels = torch.randn(3, 20, 4), (torch.randn(20, 4) > 0).float()
    beside = torch.full((20, 1), torch.nan)
    longer = torch.cat([outputs, torch.zeros(3, 20, 1)], dim=-1), torch.cat([labels, beside], dim=-1)
    torch.testing.assert_close(
        record_losses(kind, outputs, labels), record_losses(kind, *longer), rtol=1e-6, atol=0
    )
