"""Frozen encoders against plain references, and their caches."""

import numpy as np
import pytest
import torch
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator
from torch_geometric.nn import global_add_pool, global_mean_pool

from models.encoders import pretraining, trainer
from models.encoders.base import ENCODERS, embed
from models.encoders.ecfp import Ecfp
from models.encoders.gin import Gin, GinConfig, GinNetwork
from models.encoders.graph_network import TYPICAL_ATOMS
from models.encoders.objectives import DescriptorRegression
from models.encoders.pretraining import Pretraining
from molecules.graphs import featurize
from tests.listener import Listener

SMILES = [
    "CC(=O)Oc1ccccc1C(=O)O",  # aspirin
    "Cn1c(=O)c2c(ncn2C)n(C)c1=O",  # caffeine
    "CC(C)Cc1ccc(cc1)C(C)C(=O)O",  # ibuprofen
    "C",  # methane: an atom without a bond
    "[Na+].[Cl-]",  # sodium chloride: two atoms, no bond
]
TINY = GinConfig(width=16, layers=2, dimensions=8)
SHORT = Pretraining(epochs=3, molecules=150, batch_size=32)


def test_ecfp_is_the_logarithm_of_rdkit_counts():
    found = Ecfp().encode(SMILES)
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=1024)
    for row, text in zip(found, SMILES, strict=True):
        expected = np.zeros(1024)
        for bit, count in (
            generator.GetCountFingerprint(Chem.MolFromSmiles(text)).GetNonzeroElements().items()
        ):
            expected[bit] = np.log(1 + count)
        np.testing.assert_allclose(row, expected, rtol=1e-6)


def network() -> GinNetwork:
    torch.manual_seed(3)
    made = GinNetwork(TINY)
    for norm in made.norms:  # as after some training
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    return made.eval()


def plain_forward(net: GinNetwork, smiles: str) -> torch.Tensor:
    """One molecule, atom by atom: (1 + eps) h_v + sum over neighbours, an MLP, batch norm, residual."""
    batch = featurize([smiles]).batch(0, 1)
    offsets = np.cumsum([0, *pretraining_sizes()[:-1]])
    h = [sum(net.atoms.weight[int(f) + o] for f, o in zip(atom, offsets, strict=True)) for atom in batch.x]
    neighbours = [[a.GetIdx() for a in atom.GetNeighbors()] for atom in Chem.MolFromSmiles(smiles).GetAtoms()]
    for conv, norm in zip(net.convolutions, net.norms, strict=True):
        new = []
        for v, around in enumerate(neighbours):
            message = conv.nn((1 + conv.eps) * h[v] + sum((h[u] for u in around), torch.zeros(16)))
            scaled = (message - norm.running_mean) / torch.sqrt(norm.running_var + norm.eps)
            new.append(h[v] + torch.relu(scaled * norm.weight + norm.bias))
        h = new
    atoms, one = torch.stack(h), torch.zeros(len(h), dtype=torch.long)
    pooled = [global_mean_pool(atoms, one), global_add_pool(atoms, one) / TYPICAL_ATOMS]
    return net.project(torch.cat(pooled, 1))[0]


def pretraining_sizes() -> tuple[int, ...]:
    from molecules.graphs import ATOM_CARDINALITIES

    return ATOM_CARDINALITIES


def test_gin_against_a_plain_loop_over_atoms():
    net = network()
    with torch.no_grad():
        together = net(featurize(SMILES).batch(0, len(SMILES)))
        for row, text in zip(together, SMILES, strict=True):
            torch.testing.assert_close(row, plain_forward(net, text), atol=1e-5, rtol=1e-4)


def test_gin_does_not_see_the_order_of_atoms_or_molecules():
    net = network()
    with torch.no_grad():
        one = net(featurize(["OC(=O)c1ccccc1OC(C)=O", "CCO"]).batch(0, 2))  # aspirin, written otherwise
        two = net(featurize(["CCO", SMILES[0]]).batch(0, 2))
    torch.testing.assert_close(one, two.flip(0), atol=1e-5, rtol=1e-4)


def test_pretraining_learns_and_is_done_once(own_cache, monkeypatch):
    losses = []
    step = DescriptorRegression.predict

    def watched(self, network, index):
        predicted = step(self, network, index)
        losses.append(float((predicted.detach() - self.targets[index]).abs().mean()))
        return predicted

    monkeypatch.setattr(DescriptorRegression, "predict", watched)
    first = Gin(TINY, Pretraining(epochs=30, molecules=150, batch_size=32)).encode(SMILES)
    assert np.mean(losses[-9:-1]) < 0.8 * np.mean(losses[:3])  # the last one is of held-out molecules
    assert first.shape == (5, 8)
    assert np.isfinite(first).all()
    assert np.abs(first).max() <= 6
    monkeypatch.setattr(pretraining, "Trainer", None)  # a second pretraining would fail
    again = Gin(TINY, Pretraining(epochs=30, molecules=150, batch_size=32)).encode(SMILES)
    np.testing.assert_array_equal(first, again)


def test_stopped_pretraining_ends_in_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("MOLMIS_CACHE", str(tmp_path / "whole"))
    whole = Gin(TINY, SHORT).encode(SMILES)
    monkeypatch.setenv("MOLMIS_CACHE", str(tmp_path / "stopped"))
    epoch = trainer.Trainer._epoch

    def stop_in_the_third(self, number, step):
        if number == 2:
            raise KeyboardInterrupt
        epoch(self, number, step)

    monkeypatch.setattr(trainer.Trainer, "_epoch", stop_in_the_third)
    with pytest.raises(KeyboardInterrupt):
        Gin(TINY, SHORT).prepare()
    monkeypatch.setattr(trainer.Trainer, "_epoch", epoch)
    listener, resumed = Listener(), Gin(TINY, SHORT)
    resumed.prepare(progress=listener)
    assert any("goes on after epoch 2 of 3" in note for note in listener.notes)
    np.testing.assert_array_equal(resumed.encode(SMILES), whole)


def test_damaged_weights_are_made_again(own_cache):
    first = Gin(TINY, SHORT).encode(SMILES)
    (file,) = (
        p
        for p in own_cache.glob("encoders/*.safetensors")
        if not p.name.startswith(("descriptors", "molecules"))
    )
    file.write_bytes(file.read_bytes()[:-7])
    listener, encoder = Listener(), Gin(TINY, SHORT)
    encoder.prepare(progress=listener)
    assert any("damaged" in note for note in listener.notes)
    np.testing.assert_array_equal(encoder.encode(SMILES), first)


def test_recipe_tells_what_the_embeddings_depend_on():
    base_key = Gin(TINY, SHORT).key
    assert Gin(TINY, SHORT).key == base_key
    others = [
        Gin(GinConfig(16, 3, 8), SHORT),
        Gin(TINY, Pretraining(epochs=4, molecules=150, batch_size=32)),
        Gin(TINY, Pretraining(epochs=3, molecules=149, batch_size=32)),
        Gin(TINY, Pretraining(epochs=3, molecules=150, batch_size=32, seed=1)),
    ]
    assert len({base_key, *(other.key for other in others)}) == 5


def test_pretraining_molecules_are_distinct_and_many():
    smiles = pretraining.pretraining_smiles()
    assert len(smiles) == len(set(smiles)) > 14_500


def test_embeddings_are_cached_by_recipe_and_molecules(own_cache, monkeypatch):
    calls = []
    encode = Ecfp.encode
    monkeypatch.setattr(
        Ecfp, "encode", lambda self, smiles, progress: calls.append(1) or encode(self, smiles, progress)
    )
    first = embed(Ecfp(), SMILES)
    listener = Listener()
    np.testing.assert_array_equal(embed(Ecfp(), SMILES, progress=listener), first)
    assert len(calls) == 1
    assert any("reused" in note for note in listener.notes)
    embed(Ecfp(), SMILES[::-1])
    monkeypatch.setattr(Ecfp, "radius", 3)
    embed(Ecfp(), SMILES)
    assert len(calls) == 3


def test_damaged_embeddings_are_made_again(own_cache):
    first = embed(Ecfp(), SMILES)
    (file,) = own_cache.glob("embeddings/*")
    file.write_bytes(b"nothing")
    listener = Listener()
    np.testing.assert_array_equal(embed(Ecfp(), SMILES, progress=listener), first)
    assert any("damaged" in note for note in listener.notes)
    embed(Ecfp(), SMILES, progress=listener)
    assert "reused" in listener.notes[-1]


@pytest.mark.parametrize("name", list(ENCODERS))
def test_every_encoder_says_what_it_is(name):
    encoder = ENCODERS[name]()
    assert encoder.name == name
    assert encoder.description
    assert encoder.recipe()["encoder"] == name
