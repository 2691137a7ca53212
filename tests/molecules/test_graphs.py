import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from torch_geometric.data import Batch
from torch_geometric.utils import from_smiles
from torch_geometric.utils.smiles import e_map, x_map

from molecules.errors import DataError
from molecules.graphs import ATOM_CARDINALITIES, BOND_CARDINALITIES, GraphBatch, featurize
from tests.real_data import nci_smiles, real_file, wehi_smiles

NAMED = {
    "methane": "C",
    "caffeine": "CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
    "L-alanine": "C[C@H](N)C(=O)O",
    "fumaric acid": "OC(=O)/C=C/C(=O)O",
    "maleic acid": r"OC(=O)/C=C\C(=O)O",
    "sodium chloride": "[Na+].[Cl-]",
    "nitrobenzene, uncharged spelling": "O=N(=O)c1ccccc1",
    "TEMPO radical": "CC1(C)CCCC(C)(C)N1[O]",
    "sulfur hexafluoride": "FS(F)(F)(F)(F)F",
    "phosphorus pentachloride": "ClP(Cl)(Cl)(Cl)Cl",
    "cisplatin": "N[Pt](N)(Cl)Cl",
    "cis bond by ChemAxon extension": "CC=CC |c:1|",
    "deuterated chloroform": "[2H]C(Cl)(Cl)Cl",
    "acetonitrile": "CC#N",
    "bare proton": "[H+]",
    "dummy atom": "*CC",
}


def assert_equal(ours: GraphBatch, theirs: Batch) -> None:
    for name in ("x", "edge_index", "edge_attr", "batch"):
        left, right = getattr(ours, name), getattr(theirs, name)
        assert left.dtype == right.dtype == torch.int64, name
        assert torch.equal(left, right), name
    assert ours.num_graphs == theirs.num_graphs


def plain_reference(smiles: str) -> tuple[list[list[int]], list[tuple[int, int]], list[list[int]]]:
    """The features written out atom by atom, from the meaning of each column."""
    mol = Chem.MolFromSmiles(smiles)
    atoms = [
        [
            atom.GetAtomicNum(),
            int(atom.GetChiralTag()),
            len(atom.GetNeighbors()) + atom.GetTotalNumHs(),
            atom.GetFormalCharge() + 5,
            atom.GetTotalNumHs(),
            atom.GetNumRadicalElectrons(),
            x_map["hybridization"].index(atom.GetHybridization().name),
            int(atom.GetIsAromatic()),
            int(any(atom.GetIdx() in ring for ring in mol.GetRingInfo().AtomRings())),
        ]
        for atom in mol.GetAtoms()
    ]
    edges = sorted(
        (atom.GetIdx(), neighbour.GetIdx()) for atom in mol.GetAtoms() for neighbour in atom.GetNeighbors()
    )
    bonds = [mol.GetBondBetweenAtoms(*edge) for edge in edges]
    features = [
        [int(bond.GetBondType()), int(bond.GetStereo()), int(bond.GetIsConjugated())] for bond in bonds
    ]
    return atoms, edges, features


@pytest.mark.parametrize("smiles", NAMED.values(), ids=NAMED.keys())
def test_named_molecules_equal_both_references(smiles):
    graphs = featurize([smiles])
    assert_equal(graphs.batch(0, 1), Batch.from_data_list([from_smiles(smiles)]))
    atoms, edges, features = plain_reference(smiles)
    assert graphs.x.tolist() == atoms
    assert list(zip(*graphs.edge_index.tolist(), strict=True)) == edges
    assert graphs.edge_attr.tolist() == features


def test_the_named_molecules_reach_the_rare_columns():
    graphs = featurize(list(NAMED.values()))
    assert all(len(np.unique(column)) > 1 for column in graphs.x.T)
    assert all(len(np.unique(column)) > 1 for column in graphs.edge_attr.T)


@pytest.mark.parametrize("source", [wehi_smiles, nci_smiles])
def test_real_molecules_equal_torch_geometric(source):
    smiles = [text for text in source(400) if Chem.MolFromSmiles(text) is not None]
    assert_equal(
        featurize(smiles).batch(0, len(smiles)), Batch.from_data_list(list(map(from_smiles, smiles)))
    )


@pytest.mark.data
@pytest.mark.slow
def test_tox21_equals_torch_geometric():
    import pandas as pd

    texts = pd.read_csv(real_file("moleculenet/tox21.csv.gz"))["smiles"]
    smiles = [text for text in texts if Chem.MolFromSmiles(text) is not None]
    assert len(smiles) == len(texts) - 8
    assert_equal(
        featurize(smiles).batch(0, len(smiles)), Batch.from_data_list(list(map(from_smiles, smiles)))
    )


def test_molecules_give_what_their_smiles_give():
    smiles = list(NAMED.values())
    from_text, from_mols = featurize(smiles), featurize([Chem.MolFromSmiles(text) for text in smiles])
    for name in ("x", "edge_index", "edge_attr", "atom_offsets", "edge_offsets"):
        np.testing.assert_array_equal(getattr(from_text, name), getattr(from_mols, name))


def test_cardinalities_are_those_of_torch_geometric():
    assert tuple(map(len, x_map.values())) == ATOM_CARDINALITIES
    assert tuple(map(len, e_map.values())) == BOND_CARDINALITIES


GRAPHS = featurize(["", *NAMED.values()])
DATA = [from_smiles(text) for text in ["", *NAMED.values()]]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(NAMED)), min_size=1, max_size=8))
def test_select_takes_any_order_and_repeats(indices):
    assert_equal(GRAPHS.select(indices), Batch.from_data_list([DATA[index] for index in indices]))


@pytest.mark.parametrize(("start", "stop"), [(0, 5), (3, 4), (10, 99), (0, 1)])
def test_batch_is_a_slice(start, stop):
    assert_equal(GRAPHS.batch(start, stop), Batch.from_data_list(DATA[start:stop]))


def test_nothing_selected_and_nothing_featurized():
    for batch in (GRAPHS.select([]), featurize([]).batch(0, 1)):
        assert (batch.num_graphs, *batch.x.shape, *batch.edge_index.shape) == (0, 0, 9, 2, 0)
        assert batch.edge_attr.shape == (0, 3)


def test_an_index_beyond_the_end_is_an_error():
    with pytest.raises(IndexError):
        GRAPHS.select([len(GRAPHS)])


def test_offsets_count_atoms_and_edges():
    graphs = featurize(["CCO", "C", "c1ccccc1"])  # ethanol, methane, benzene
    assert len(graphs) == 3
    assert graphs.atoms_per_molecule.tolist() == [3, 1, 6]
    assert graphs.edges_per_molecule.tolist() == [4, 0, 12]


def test_values_outside_the_tables_take_the_nearest():
    # Eleven neighbours, where the table ends at ten; a charge of +9, where it ends at +6.
    crowded = featurize(["[U](F)(F)(F)(F)(F)(F)(F)(F)(F)(F)F"])
    assert crowded.x[0, 2] == ATOM_CARDINALITIES[2] - 1
    assert featurize(["[U+9]"]).x[0, 3] == ATOM_CARDINALITIES[3] - 1


def test_square_planar_cisplatin_which_torch_geometric_refuses():
    smiles = "[NH3][Pt@SP1]([NH3])(Cl)Cl"
    with pytest.raises(ValueError, match="SP2D"):
        from_smiles(smiles)
    platinum = featurize([smiles]).x[1]
    assert x_map["chirality"][platinum[1]] == "CHI_SQUAREPLANAR"
    assert x_map["hybridization"][platinum[6]] == "OTHER"


def test_a_smiles_that_cannot_be_parsed_is_named():
    with pytest.raises(DataError, match=r"'C1CC' at position 1"):
        featurize(["C", "C1CC"])
