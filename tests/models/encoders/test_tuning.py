"""Encoders trained with heads: several at once against one by one, and one against a plain torch loop."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from models import quantized_encoders
from models.encoders.base import ENCODERS
from models.encoders.gin import Gin, GinConfig
from models.encoders.graph_encoder import GraphEncoder
from models.encoders.graph_network import CLIP, GraphConfig, GraphNetwork
from models.encoders.pretraining import Pretraining
from models.encoders.pretraining_molecules import pretraining_smiles
from models.encoders.tuning import RATE, TunedInputs, Tuning, backward_bytes
from models.heads import HeadConfig
from models.quantizers import QUANTIZERS
from models.train_bank import train_block
from molecules.graphs import featurize
from molecules.padded_graphs import padded
from molecules.splits import member_halves
from molecules.streams import stream
from tasks.task import Kind

SMILES = [*pretraining_smiles()[:30], "C", "[Na+]", "CC.O"]
GRAPHS = featurize(SMILES)
TRAINABLE = [name for name, kind in ENCODERS.items() if kind.trainable]
CONFIG = HeadConfig(hidden=(5,), epochs=2, batch_size=4, learning_rate=1e-2)


def small(name: str) -> Tuning:
    kind = ENCODERS[name]
    assert issubclass(kind, GraphEncoder)
    encoder = kind(kind.config_type(width=8, layers=2, dimensions=6))
    network = encoder.network()
    network.look_at(GRAPHS)
    return Tuning(network, torch.linspace(-0.1, 0.1, 6), torch.linspace(0.5, 2, 6), "cpu")


class Line(GraphNetwork):
    """A linear layer of the features, summed over atoms and rectified."""

    def __init__(self) -> None:
        super().__init__(GraphConfig())
        self.layer = nn.Linear(9, 3)

    def states(self, batch):
        return self.layer(batch.x.float())

    def pool(self, states, batch):
        return torch.zeros(batch.num_graphs, 3).index_add(0, batch.batch, states).relu()


def test_what_a_backward_pass_needs_of_molecules():
    atoms, molecules = len(GRAPHS.x), len(GRAPHS)
    # what goes into the layer and comes out, to which molecule an atom belongs, and what was rectified
    assert backward_bytes(Line(), GRAPHS) == 4 * (9 + 3) * atoms + 8 * atoms + 4 * 3 * molecules


def test_padded_batches_are_those_of_each_model_filled_up():
    index = np.array([[0, 31, 5], [32, 30, 7]])
    found = padded(GRAPHS, index)
    assert found.num_graphs == 4
    for place, own in enumerate(index):
        plain = GRAPHS.select(own)
        atoms, bonds = len(plain.x), plain.edge_index.shape[1]
        assert torch.equal(found.x[place, :atoms], plain.x)
        assert torch.equal(found.batch[place, :atoms], plain.batch)
        assert torch.equal(found.edge_index[place, :, :bonds], plain.edge_index)
        assert torch.equal(found.edge_attr[place, :bonds], plain.edge_attr)
        assert (found.batch[place, atoms:] == 3).all()
        assert (found.edge_index[place, :, bonds:] == found.x.shape[1] - 1).all()
    assert found.x.shape[1] == 1 + max(len(GRAPHS.select(own).x) for own in index)


def test_padded_batches_of_molecules_without_bonds():
    found = padded(GRAPHS, np.array([[30], [31]]))
    assert found.edge_index.shape == (2, 2, 0)
    assert found.batch.tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize("name", TRAINABLE)
def test_several_at_once_are_each_as_alone(name):
    tuning = small(name)
    index = np.array([[0, 31, 5, 8], [32, 30, 7, 1], [3, 3, 2, 9]])
    rng = torch.Generator().manual_seed(0)

    def drawn() -> dict[str, torch.Tensor]:
        rng.manual_seed(0)
        return {
            n: (v + 0.1 * torch.randn(v.shape, generator=rng)).requires_grad_()
            for n, v in tuning.initial(3).items()
        }

    outputs, gradients = [], []
    for at_once in {False, tuning.network.side_by_side}:
        tuning.side_by_side = at_once
        parameters = drawn()
        found = tuning.together(parameters, GRAPHS, index)
        found.square().sum().backward()
        outputs.append(found.detach())
        gradients.append({n: v.grad for n, v in parameters.items()})
    for run, own in enumerate(index):
        alone = tuning.alone({n: v[run].detach() for n, v in drawn().items()}, GRAPHS.select(own))
        np.testing.assert_allclose(outputs[-1][run], alone, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(outputs[0], outputs[-1], rtol=1e-4, atol=1e-5)
    for n, gradient in gradients[0].items():
        if gradient is not None:
            np.testing.assert_allclose(gradients[-1][n], gradient, rtol=1e-3, atol=1e-4, err_msg=n)


def test_most_architectures_run_several_at_once():
    assert {name for name in TRAINABLE if not small(name).network.side_by_side} == {"pna"}


def labels() -> torch.Tensor:
    return torch.tensor([[len(s) / 10.0, s.count("N")] for s in SMILES])


def trained(tuning: Tuning, members: np.ndarray, first: int = 0):
    inputs = TunedInputs(tuning, GRAPHS, np.arange(len(SMILES)))
    return train_block(Kind.REGRESSION, inputs, labels(), members, CONFIG, 3, first)


def test_training_is_that_of_a_plain_loop():
    tuning = small("gin")
    members = member_halves(len(SMILES), 1, 0)
    bank = trained(tuning, members)

    network = copy.deepcopy(tuning.network).eval()
    head = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
    draws = stream(3, "weights", 0)
    with torch.no_grad():
        linears = [head[0], head[2]]
        shapes = [(linear.weight.shape, linear.in_features**-0.5) for linear in linears]
        # weights and biases come from one stream, layer by layer
        for linear, (shape, bound) in zip(linears, shapes, strict=True):
            linear.weight.copy_(torch.from_numpy(draws.uniform(-bound, bound, tuple(shape))))
            linear.bias.copy_(torch.from_numpy(draws.uniform(-bound, bound, shape[0])))
    matrices = {n for n, p in network.named_parameters() if p.dim() > 1}
    decayed = [p for n, p in network.named_parameters() if n in matrices]
    others = [p for n, p in network.named_parameters() if n not in matrices]
    rate, decay = CONFIG.learning_rate, CONFIG.weight_decay
    optimiser = torch.optim.AdamW(
        [
            {"params": [linear.weight for linear in linears], "lr": rate, "weight_decay": decay},
            {"params": [linear.bias for linear in linears], "lr": rate, "weight_decay": 0},
            {"params": decayed, "lr": RATE * rate, "weight_decay": decay},
            {"params": others, "lr": RATE * rate, "weight_decay": 0},
        ]
    )
    own = np.flatnonzero(members[0])
    wanted = labels()[own]
    wanted = (wanted - wanted.mean(0)) / wanted.std(0, correction=0)
    steps = CONFIG.epochs * -(-len(own) // CONFIG.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    order = stream(3, "batches", 0)
    centre, spread = torch.linspace(-0.1, 0.1, 6), torch.linspace(0.5, 2, 6)
    for _ in range(CONFIG.epochs):
        drawn = order.permutation(len(own))
        for start in range(0, len(own), CONFIG.batch_size):
            batch = drawn[start : start + CONFIG.batch_size]
            raw = network(GRAPHS.select(own[batch]))
            outputs = head(((raw - centre) / spread).clamp(-CLIP, CLIP))
            optimiser.zero_grad()
            (outputs - wanted[batch]).square().mean().backward()
            optimiser.step()
            schedule.step()
    for name, value in network.named_parameters():
        np.testing.assert_allclose(
            bank.encoders[name][0, -1], value.detach(), rtol=2e-3, atol=2e-5, err_msg=name
        )
    np.testing.assert_allclose(
        bank.snapshots.weights[1][0, -1], linears[1].weight.detach(), rtol=2e-3, atol=2e-5
    )
    moved = {n for n, v in tuning.network.named_parameters() if not torch.equal(bank.encoders[n][0, -1], v)}
    assert "project.0.weight" in moved
    # running statistics are buffers, and stay
    assert not any("running" in name for name in bank.encoders)


def test_runs_share_nothing():
    tuning = small("gcn")
    members = member_halves(len(SMILES), 4, 1)
    together, last = trained(tuning, members), trained(tuning, members[3:], first=3)
    for name, value in together.encoders.items():
        assert value.shape[:2] == (4, CONFIG.epochs)
        np.testing.assert_allclose(value[3], last.encoders[name][0], rtol=1e-4, atol=1e-6)
    assert not torch.equal(together.encoders["project.0.weight"][0], together.encoders["project.0.weight"][1])


def test_a_tuning_is_that_of_the_pretrained_encoder(tmp_path, monkeypatch):
    monkeypatch.setenv("MOLMIS_CACHE", str(tmp_path))
    encoder = Gin(GinConfig(width=8, layers=2, dimensions=6), Pretraining(epochs=1, molecules=60))
    tuning = encoder.tuning()
    own = {n: v[0] for n, v in tuning.initial(1).items()}
    np.testing.assert_array_equal(
        tuning.alone(own, GRAPHS.select(range(9))).detach(), encoder.encode(SMILES[:9])
    )


def test_encoders_that_lie_on_the_cpu_are_run_where_the_network_is(monkeypatch):
    # tensors of torch's meta device hold no numbers, and mix with those of a CPU as little as a GPU's do
    here = small("gin")
    elsewhere = Tuning(copy.deepcopy(here.network).to("meta"), torch.zeros(6), torch.ones(6), "meta")
    own = {name: values[0] for name, values in here.initial(1).items()}
    assert elsewhere.alone(own, GRAPHS.select([0, 1])).device.type == "meta"

    shown = []

    def shows(network, quantizer, run):
        shown.append(run().device.type)
        return {}

    monkeypatch.setattr(quantized_encoders, "quantize_network", shows)
    bank = {name: values[:, None] for name, values in here.initial(2).items()}
    found = quantized_encoders.quantize_encoders(
        elsewhere, bank, QUANTIZERS["gptq-3"], lambda run: GRAPHS.select([run, 5])
    )
    assert shown == ["meta", "meta"]
    assert {values.device.type for values in found.values.values()} == {"cpu"}


def test_restored_weights_go_where_the_encoder_is():
    encoder = Gin(GinConfig(width=8, layers=2, dimensions=6))
    state = small("gin").state({}, {})
    encoder._device = "meta"
    encoder.restore(state)
    assert {value.device.type for value in encoder._prepared().state_dict().values()} == {"meta"}
