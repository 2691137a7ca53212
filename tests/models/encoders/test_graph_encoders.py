"""Every registered graph encoder is held to the same contract."""

import dataclasses

import numpy as np
import pytest
import torch
from rdkit import Chem

from models.encoders import graph_encoder, pretraining
from models.encoders.base import ENCODERS
from models.encoders.graph_encoder import GraphEncoder
from models.encoders.pretraining import Pretraining
from models.quantized_network import Role, roles
from models.quantizers import QUANTIZERS
from molecules.graphs import featurize

GRAPH = [name for name, encoder in ENCODERS.items() if issubclass(encoder, GraphEncoder)]
SMILES = [
    "CC(=O)Oc1ccccc1C(=O)O",
    "Cn1c(=O)c2c(ncn2C)n(C)c1=O",
    "C/C=C/[C@H](O)C#N",
    "C",  # an atom without a bond
    "[Na+].[Cl-]",  # two atoms, no bond
    "CCO.[K+]",  # a part with bonds and one without
]
SHORT = Pretraining(epochs=1, molecules=64, batch_size=16)


@pytest.fixture(scope="module")
def molecules() -> list[str]:
    return pretraining.pretraining_smiles(64)


@pytest.fixture(autouse=True)
def read_once(molecules, monkeypatch):
    monkeypatch.setattr(pretraining, "pretraining_smiles", lambda limit, *_: molecules[:limit])


def tiny(name: str, **changes) -> GraphEncoder:
    encoder = ENCODERS[name]
    small = {"width": 16, "layers": 2, "dimensions": 8, **changes}
    usual = dataclasses.replace(SHORT, objective=encoder.usual.objective)
    return encoder(dataclasses.replace(encoder.config_type(), **small), usual)


def network(name: str) -> torch.nn.Module:
    """A network with weights and statistics as after some training."""
    torch.manual_seed(5)
    made = tiny(name).network()
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    made.look_at(featurize(SMILES))
    return made.eval()


def test_there_is_every_architecture():
    assert {"gin", "gine", "gcn", "gat", "dmpnn", "attentivefp", "pna", "gin-random"} == set(GRAPH)


@pytest.mark.parametrize("name", GRAPH)
def test_usual_embeddings_have_256_dimensions_and_a_paper(name):
    import sys

    encoder = ENCODERS[name]()
    assert encoder.dimensions == 256
    assert 50_000 < encoder.parameters < 1_000_000
    text = sys.modules[type(encoder).__module__].__doc__
    assert any(str(year) in text for year in range(2015, 2024))


@pytest.mark.parametrize("name", GRAPH)
def test_every_parameter_has_a_role_and_most_are_quantized(name):
    encoder = ENCODERS[name]()
    made = encoder.network()
    sizes = dict.fromkeys(Role, 0)
    parameters = dict(made.named_parameters())
    for parameter, role in roles(made).items():
        sizes[role] += parameters[parameter].numel()
        matrix = parameters[parameter].dim() > 1
        assert matrix <= (role is Role.QUANTIZED), parameter  # no matrix is left as it is
    assert sum(sizes.values()) == encoder.parameters
    assert sizes[Role.QUANTIZED] / encoder.parameters > 0.95


@pytest.mark.parametrize("name", GRAPH)
def test_order_of_atoms_is_not_seen(name):
    net, rng = network(name), np.random.default_rng(0)
    mols = [Chem.MolFromSmiles(text) for text in SMILES]
    shuffled = [Chem.RenumberAtoms(mol, rng.permutation(mol.GetNumAtoms()).tolist()) for mol in mols]
    with torch.no_grad():
        one, two = (net(featurize(given).batch(0, len(mols))) for given in (mols, shuffled))
    assert torch.isfinite(one).all()
    torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", GRAPH)
def test_a_batch_changes_no_embedding_and_none_is_like_another(name):
    net, graphs = network(name), featurize(SMILES)
    with torch.no_grad():
        together = net(graphs.batch(0, len(SMILES)))
        apart = torch.cat([net(graphs.batch(place, place + 1)) for place in range(len(SMILES))])
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-4)
    assert torch.pdist(together).min() > 1e-3


@pytest.mark.parametrize("name", GRAPH)
def test_embedding_takes_shortcuts_that_change_nothing(name):
    net, batch = network(name), featurize(SMILES).batch(0, len(SMILES))
    with torch.no_grad():
        short = net(batch)
    assert torch.equal(net(batch).detach(), short)


@pytest.mark.parametrize("name", GRAPH)
def test_gradients_reach_every_parameter(name):
    net = network(name).train()
    net(featurize(SMILES).batch(0, len(SMILES))).square().sum().backward()
    assert [key for key, p in net.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("name", GRAPH)
def test_state_is_all_that_it_takes(name):
    encoder = tiny(name)
    found = encoder.encode(SMILES)
    assert found.shape == (len(SMILES), 8)
    assert np.isfinite(found).all()
    elsewhere = tiny(name)
    elsewhere.restore(encoder.state())
    np.testing.assert_array_equal(elsewhere.encode(SMILES), found)
    other = tiny(name, width=32)
    with pytest.raises(ValueError, match=f"not the weights of {name}"):
        other.restore(encoder.state())


@pytest.mark.parametrize("name", GRAPH)
@pytest.mark.parametrize("quantizer", ["sign", "uniform-4", "gptq-4"])
def test_quantized_encoders_round_trip_and_leave_the_original(name, quantizer, molecules):
    encoder = tiny(name)
    before = encoder.encode(SMILES)
    quantized = encoder.quantized(QUANTIZERS[quantizer], molecules[:20], molecules[:32])
    found = quantized.encode(SMILES)
    assert np.isfinite(found).all()
    assert not np.array_equal(found, before)
    np.testing.assert_array_equal(encoder.encode(SMILES), before)
    state = quantized.state()
    of_roles = roles(encoder.network())
    assert set(state.layers) == {key for key, role in of_roles.items() if role is Role.QUANTIZED}
    elsewhere = tiny(name)
    elsewhere.restore(state)
    np.testing.assert_array_equal(elsewhere.encode(SMILES), found)
    assert quantized.key != encoder.key


@pytest.mark.parametrize("name", GRAPH)
def test_float32_is_the_encoder_itself(name):
    encoder = tiny(name)
    found = encoder.encode(SMILES)
    np.testing.assert_array_equal(encoder.quantized(QUANTIZERS["float32"]).encode(SMILES), found)


@pytest.mark.parametrize("name", GRAPH)
def test_every_field_of_the_architecture_changes_the_key(name):
    encoder = tiny(name)
    config = encoder.config
    keys = {encoder.key}
    for field in dataclasses.fields(config):
        other = dataclasses.replace(config, **{field.name: 2 * getattr(config, field.name)})
        keys.add(type(encoder)(other, encoder.pretraining).key)
    assert len(keys) == 1 + len(dataclasses.fields(config))
    assert type(encoder)(config, dataclasses.replace(encoder.pretraining, seed=1)).key not in keys


def test_no_two_encoders_share_a_key():
    assert len({encoder().key for _, encoder in ENCODERS.items()}) == len(ENCODERS)


@pytest.mark.parametrize("name", GRAPH)
def test_many_molecules_are_embedded_as_few_are(name, monkeypatch):
    encoder = tiny(name)
    whole = encoder.encode(SMILES)
    monkeypatch.setattr(graph_encoder, "KEPT", 3)
    monkeypatch.setattr(graph_encoder, "BLOCK", 2)
    np.testing.assert_allclose(encoder.encode(SMILES), whole, atol=1e-4, rtol=1e-4)
    pieces = list(encoder.stream(iter(SMILES)))
    assert [len(piece) for piece in pieces] == [2, 2, 2]
    np.testing.assert_array_equal(np.concatenate(pieces), encoder.encode(SMILES))


def test_random_weights_hang_on_the_seed_and_nothing_is_trained(monkeypatch):
    monkeypatch.setattr(pretraining, "Trainer", None)
    one, again = tiny("gin-random").encode(SMILES), tiny("gin-random").encode(SMILES)
    np.testing.assert_array_equal(one, again)
    encoder = tiny("gin-random")
    other = type(encoder)(encoder.config, dataclasses.replace(encoder.pretraining, seed=1))
    assert not np.array_equal(other.encode(SMILES), one)
