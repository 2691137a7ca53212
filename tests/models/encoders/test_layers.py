"""Layers of the graph encoders against plain loops and published networks."""

import numpy as np
import pytest
import torch
from rdkit import Chem
from torch_geometric import nn as published
from torch_geometric.utils import degree

from models.encoders.attentivefp import AttentiveFpConfig, AttentiveFpNetwork
from models.encoders.dmpnn import DmpnnConfig, DmpnnNetwork, reversed_bonds
from models.encoders.gcn import GcnConfig, GcnNetwork
from models.encoders.gine import GineConfig, GineNetwork
from models.encoders.graph_network import BondEmbedding
from models.encoders.pna import PnaConfig, PnaNetwork
from molecules.graphs import BOND_CARDINALITIES, featurize

SMILES = ["CC(=O)Oc1ccccc1C(=O)O", "C/C=C/[C@H](O)C#N", "C", "[Na+].[Cl-]", "C1CC1"]


def made(kind, config, seed=0):
    torch.manual_seed(seed)
    return kind(config).eval()


def test_bond_vectors_are_sums_of_one_vector_a_feature():
    torch.manual_seed(0)
    table, bonds = BondEmbedding(4), featurize(SMILES).batch(0, 5).edge_attr
    offsets = np.cumsum([0, *BOND_CARDINALITIES[:-1]])
    for row, bond in zip(table(bonds), bonds, strict=True):
        expected = sum(table.weight[int(value) + first] for value, first in zip(bond, offsets, strict=True))
        torch.testing.assert_close(row, expected)


def test_reversed_bonds_whatever_the_order():
    edges = featurize(SMILES).batch(0, 5).edge_index
    edges = edges[:, torch.randperm(edges.shape[1], generator=torch.Generator().manual_seed(0))]
    back = reversed_bonds(edges, 30)
    assert torch.equal(edges[:, back], edges.flip(0))
    assert torch.equal(back[back], torch.arange(edges.shape[1]))


def directed_loop(net: DmpnnNetwork, smiles: str) -> torch.Tensor:
    """States of the atoms, bond by bond as the paper has it."""
    batch = featurize([smiles]).batch(0, 1)
    atoms, bond_vectors = net.atoms(batch.x), net.bonds(batch.edge_attr)
    pairs = [tuple(pair) for pair in batch.edge_index.T.tolist()]
    first = {
        (v, w): net.start(torch.cat([atoms[v], vector]))
        for (v, w), vector in zip(pairs, bond_vectors, strict=True)
    }
    h = {pair: torch.relu(value) for pair, value in first.items()}
    for step in net.steps:
        told = {
            (v, w): sum((h[k, u] for k, u in pairs if u == v and k != w), torch.zeros(8)) for v, w in pairs
        }
        h = {pair: torch.relu(first[pair] + step.message(told[pair])) for pair in pairs}
    out = []
    for v in range(len(atoms)):
        message = sum((h[k, u] for k, u in pairs if u == v), torch.zeros(8))
        out.append(torch.relu(net.finish(torch.cat([atoms[v], message]))))
    return torch.stack(out)


@pytest.mark.parametrize("smiles", [*SMILES, "CC(C)(C)c1ccc2[nH]ccc2c1"])
def test_directed_messages_against_a_loop_over_bonds(smiles):
    net = made(DmpnnNetwork, DmpnnConfig(width=8, layers=3, dimensions=4, bond_width=3))
    with torch.no_grad():
        found = net.states(featurize([smiles]).batch(0, 1))
        torch.testing.assert_close(found, directed_loop(net, smiles), atol=1e-5, rtol=1e-4)


def test_gine_layer_against_a_loop_over_atoms():
    net = made(GineNetwork, GineConfig(width=8, layers=1, dimensions=4))
    batch = featurize([SMILES[1]]).batch(0, 1)
    hidden, bonds = net.atoms(batch.x), net.bonds(batch.edge_attr)
    conv, pairs = net.convolutions[0], batch.edge_index.T.tolist()
    found = conv(hidden, *net.around(batch))
    for v in range(len(hidden)):
        told = [torch.relu(hidden[s] + bonds[e]) for e, (s, t) in enumerate(pairs) if t == v]
        torch.testing.assert_close(found[v], conv.nn((1 + conv.eps) * hidden[v] + sum(told)))


def test_gcn_layer_against_the_dense_formula():
    net = made(GcnNetwork, GcnConfig(width=8, layers=1, dimensions=4))
    mol = Chem.MolFromSmiles(SMILES[0])
    around = torch.tensor(Chem.GetAdjacencyMatrix(mol), dtype=torch.float32) + torch.eye(mol.GetNumAtoms())
    scale = around.sum(0).rsqrt()
    batch = featurize([SMILES[0]]).batch(0, 1)
    hidden, conv = net.atoms(batch.x), net.convolutions[0]
    expected = (scale[:, None] * around * scale) @ (hidden @ conv.lin.weight.T) + conv.bias
    torch.testing.assert_close(conv(hidden, *net.around(batch)), expected)


def test_attentivefp_is_the_published_network():
    net = made(AttentiveFpNetwork, AttentiveFpConfig(width=8, layers=3, dimensions=4, bond_width=3, steps=2))
    theirs = published.AttentiveFP(8, 8, 4, 3, num_layers=3, num_timesteps=2).eval()
    pairs = [
        (theirs.gate_conv, net.gate),
        (theirs.gru, net.units[0]),
        (theirs.atom_convs, net.convolutions),
        (theirs.atom_grus, net.units[1:]),
        (theirs.mol_conv, net.molecule),
        (theirs.mol_gru, net.molecule_unit),
        (theirs.lin2, net.project),
    ]
    for their, our in pairs:
        their.load_state_dict(our.state_dict())
    torch.nn.init.eye_(theirs.lin1.weight)  # atoms come as vectors already
    torch.nn.init.zeros_(theirs.lin1.bias)
    batch = featurize(SMILES).batch(0, 5)
    with torch.no_grad():
        expected = theirs(net.atoms(batch.x), batch.edge_index, net.bonds(batch.edge_attr), batch.batch)
        torch.testing.assert_close(net(batch), expected)


def test_pna_takes_typical_degrees_of_the_pretraining_molecules():
    net, graphs = made(PnaNetwork, PnaConfig(width=8, layers=2, dimensions=4)), featurize(SMILES)
    batch = graphs.batch(0, 5)
    counts = degree(batch.edge_index[1], len(batch.x)).long()
    theirs = published.PNAConv(8, 8, ["mean"], ["identity"], torch.bincount(counts)).aggr_module
    net.look_at(graphs)
    for convolution in net.convolutions:
        torch.testing.assert_close(convolution.aggr_module.avg_deg_log, theirs.avg_deg_log)
        torch.testing.assert_close(convolution.aggr_module.avg_deg_lin, theirs.avg_deg_lin)
    kept = [name for name in net.state_dict() if "avg_deg" in name]
    assert len(kept) == 4  # they travel with the weights
