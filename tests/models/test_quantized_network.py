"""Which weights of a network are quantized, and how: torch and torch-geometric layers of every kind."""

import copy

import pytest
import torch
import torch_geometric.nn as graph
from torch import nn

from models.quantized_network import Role, as_matrix, quantize_network, reestimate_norms, roles
from models.quantizers import QUANTIZERS
from models.quantizers.base import Layer

Q, B, N, S = Role.QUANTIZED, Role.BIAS, Role.NORMALISATION, Role.SCALAR


class Zoo(nn.Module):
    """A layer of every kind that molecular encoders have."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(7, 4)
        self.plain = nn.Linear(4, 6)
        self.geometric = graph.Linear(6, 5, weight_initializer="glorot")
        self.gin = graph.GINConv(nn.Sequential(nn.Linear(5, 5), nn.PReLU(5)), train_eps=True)
        self.gat = graph.GATv2Conv(5, 3, heads=2)
        self.cell = nn.GRUCell(6, 4)
        self.attention = nn.MultiheadAttention(4, 2)
        self.norms = nn.ModuleList(
            [nn.LayerNorm(4), nn.BatchNorm1d(4), graph.GraphNorm(4), graph.BatchNorm(4)]
        )
        self.query = nn.Parameter(torch.randn(4))


EXPECTED = {
    "query": Q,
    "table.weight": Q,
    "plain.weight": Q,
    "plain.bias": B,
    "geometric.weight": Q,
    "geometric.bias": B,
    "gin.eps": S,
    "gin.nn.0.weight": Q,
    "gin.nn.0.bias": B,
    "gin.nn.1.weight": S,
    "gat.att": Q,
    "gat.bias": B,
    "gat.lin_l.weight": Q,
    "gat.lin_l.bias": B,
    "gat.lin_r.weight": Q,
    "gat.lin_r.bias": B,
    "cell.weight_ih": Q,
    "cell.weight_hh": Q,
    "cell.bias_ih": B,
    "cell.bias_hh": B,
    "attention.in_proj_weight": Q,
    "attention.in_proj_bias": B,
    "attention.out_proj.weight": Q,
    "attention.out_proj.bias": B,
    "norms.0.weight": N,
    "norms.0.bias": N,
    "norms.1.weight": N,
    "norms.1.bias": N,
    "norms.2.weight": N,
    "norms.2.bias": N,
    "norms.2.mean_scale": N,
    "norms.3.module.weight": N,
    "norms.3.module.bias": N,
}


def test_every_parameter_has_its_role():
    assert roles(Zoo()) == EXPECTED


@pytest.mark.parametrize("name", ["float32", "sign", "uniform-4", "kmeans-2", "pq-4x16", "hadamard-4"])
def test_weights_are_quantized_matrix_by_matrix_and_the_rest_is_left(name):
    network, quantizer = Zoo(), QUANTIZERS[name]
    before = {key: value.detach().clone() for key, value in network.named_parameters()}
    layers = quantize_network(network, quantizer)
    assert set(layers) == {key for key, role in EXPECTED.items() if role is Q}
    for key, value in network.named_parameters():
        old = before[key]
        if key in layers:
            assert layers[key].shape == (old.numel() // old.shape[-1], old.shape[-1])
            old = quantizer.quantize(as_matrix(old)).dequantize().reshape(old.shape)
        assert torch.equal(value, old), key
    assert as_matrix(before["gat.att"]).shape == (2, 3)  # a row a head
    assert as_matrix(before["query"]).shape == (1, 4)


def test_a_published_graph_network_is_covered_whole():
    """All of torch-geometric's AttentiveFP: libraries that look for ``nn.Linear`` find a third of it."""
    network = graph.AttentiveFP(9, 32, 8, edge_dim=3, num_layers=3, num_timesteps=2)
    total = sum(parameter.numel() for parameter in network.parameters())
    covered = sum(layer.weights for layer in quantize_network(network, QUANTIZERS["sign"]).values())
    biases = sum(p.numel() for name, p in network.named_parameters() if "bias" in name)
    assert covered + biases == total
    assert covered / total > 0.95


def test_bias_is_a_word_of_a_name_and_other_numbers_than_float32_are_refused():
    network = nn.Module()
    network.unbiased_weight = nn.Parameter(torch.randn(2, 3))
    network.bias_hh_l0 = nn.Parameter(torch.randn(3))
    assert roles(network) == {"unbiased_weight": Q, "bias_hh_l0": B}
    with pytest.raises(ValueError, match=r"0\.weight is torch\.float16; quantize the float32 network"):
        roles(nn.Sequential(nn.Linear(2, 2)).half())


def test_shared_parameters_stand_once():
    network = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
    network[1].weight = network[0].weight
    layers = quantize_network(network, QUANTIZERS["sign"])
    assert list(layers) == ["0.weight"]
    assert torch.equal(network[1].weight, layers["0.weight"].dequantize())


def test_a_lazy_layer_without_weights_is_refused():
    with pytest.raises(ValueError, match=r"lin\.weight has no weights"):
        roles(nn.ModuleDict({"lin": graph.Linear(-1, 3)}))


class Cells(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first, self.second = nn.Linear(5, 6), graph.Linear(6, 4)
        self.cell = nn.GRUCell(4, 3)
        self.table = nn.Embedding(3, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.second(self.first(x).relu())
        return self.cell(hidden, self.table.weight[0, :3].expand(len(x), 3))


class Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.linear = nn.Linear(5, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(input=x)


def test_inputs_that_are_given_by_name_are_seen():
    network, quantizer = Named(), QUANTIZERS["gptq-3"]
    records = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    expected = quantizer.quantize_layer(network.linear.weight.detach().clone(), Layer(0, 2, records))
    found = quantize_network(network, quantizer, lambda: network(records))["linear.weight"]
    assert torch.equal(found.codes, expected.codes)


@pytest.mark.parametrize("name", ["gptq-3", "adaround-3"])
def test_calibrated_quantizers_are_given_what_goes_into_each_matrix(name):
    network, quantizer = Cells(), QUANTIZERS[name]
    plain = copy.deepcopy(network)
    records = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    layers = quantize_network(network, quantizer, lambda: network(records))

    def expected(weight, inputs):
        return quantizer.quantize_layer(weight.detach(), Layer(0, 9, inputs)).dequantize()

    with torch.no_grad():
        first = expected(plain.first.weight, records)
        hidden = (records @ first.T + plain.first.bias).relu()
        second = expected(plain.second.weight, hidden)
        given = hidden @ second.T + plain.second.bias
        state = plain.table.weight[0, :3].expand(40, 3)
        table = quantizer.quantize(plain.table.weight.detach()).dequantize()  # no look at records
    found = {name: layer.dequantize() for name, layer in layers.items()}
    torch.testing.assert_close(found["first.weight"], first)
    torch.testing.assert_close(found["second.weight"], second)
    torch.testing.assert_close(found["cell.weight_ih"], expected(plain.cell.weight_ih, given))
    torch.testing.assert_close(found["cell.weight_hh"], expected(plain.cell.weight_hh, state))
    torch.testing.assert_close(found["table.weight"], table)
    assert not torch.equal(first, quantizer.quantize(plain.first.weight.detach()).dequantize())


def test_a_calibrated_quantizer_without_records_is_an_error():
    with pytest.raises(ValueError, match="needs public calibration records"):
        quantize_network(Cells(), QUANTIZERS["gptq-3"])


def test_statistics_of_norms_are_those_of_the_records():
    torch.manual_seed(2)
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), graph.BatchNorm(4)).eval()
    batches = torch.randn(6, 50, 3).unbind()
    reestimate_norms(network, lambda: [network(batch) for batch in batches])
    assert not any(module.training for module in network.modules())
    hidden = [network[0](batch) for batch in batches]
    norm = network[1]
    torch.testing.assert_close(norm.running_mean, torch.stack([h.mean(0) for h in hidden]).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([h.var(0) for h in hidden]).mean(0))
    assert norm.momentum == 0.1
    instance = nn.InstanceNorm1d(3, track_running_stats=True).eval()
    reestimate_norms(instance, lambda: instance(torch.full((2, 3, 9), 5.0)))
    torch.testing.assert_close(instance.running_mean, torch.full((3,), 5.0))
    # no dropout in between: the second norm sees what the first one, normalising each batch, hands on
    scaled = [(h - h.mean(0)) / torch.sqrt(h.var(0, correction=0) + norm.eps) for h in hidden]
    torch.testing.assert_close(
        network[3].module.running_var, torch.stack([s.var(0) for s in scaled]).mean(0), rtol=1e-4, atol=1e-5
    )
