import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import Descriptors as RDKitDescriptors
from rdkit.Chem import rdMolDescriptors

from molecules.descriptors import LIMIT, NAMES, descriptors
from molecules.errors import DataError
from tests.real_data import nci_smiles

CAFFEINE = "CN1C=NC2=C1C(=O)N(C(=O)N2C)C"
# Names of RDKit's C++ property list that its descriptor list spells differently.
SPELLED = {
    "amw": "MolWt",
    "exactmw": "ExactMolWt",
    "tpsa": "TPSA",
    "CrippenClogP": "MolLogP",
    "CrippenMR": "MolMR",
}
SHARED = {name: getattr(RDKitDescriptors, SPELLED.get(name, name), None) for name in NAMES}
SHARED = {name: function for name, function in SHARED.items() if function is not None}


def test_names_are_many_and_different():
    assert 80 <= len(NAMES) <= 150
    assert len(set(NAMES)) == len(NAMES)
    assert len(SHARED) > 80  # the comparison below means something


def test_values_equal_the_descriptors_of_the_same_name():
    smiles = [CAFFEINE, "C[C@H](N)C(=O)O", *nci_smiles(5)]
    table = descriptors(smiles)
    assert table.values.shape == (len(smiles), len(NAMES))
    assert table.values.dtype == np.float64
    for text, row in zip(smiles, table.values, strict=True):
        expected = {name: function(Chem.MolFromSmiles(text)) for name, function in SHARED.items()}
        got = {name: row[NAMES.index(name)] for name in SHARED}
        assert got == pytest.approx(expected)


def test_caffeine_by_hand():
    value = dict(zip(NAMES, descriptors([CAFFEINE]).values[0], strict=True))
    assert value["amw"] == pytest.approx(194.19, abs=0.01)  # C8H10N4O2
    assert value["NumHeavyAtoms"] == 14
    assert value["NumRings"] == 2
    assert (value["MQN1"], value["MQN8"] + value["MQN9"], value["MQN10"] + value["MQN11"]) == (
        8,
        4,
        2,
    )  # C, N, O


def test_quantum_numbers_and_surface_sums_keep_their_order():
    mol = Chem.MolFromSmiles(CAFFEINE)
    values = descriptors([CAFFEINE]).values[0]
    for stem, compute in (("MQN", rdMolDescriptors.MQNs_), ("PEOE_VSA", rdMolDescriptors.PEOE_VSA_)):
        expected = list(compute(mol))
        places = [NAMES.index(f"{stem}{number + 1}") for number in range(len(expected))]
        np.testing.assert_allclose(values[places], expected)


def test_salts_metals_and_single_atoms_stay_finite():
    table = descriptors(["[Na+].[Cl-]", "[Cu]", "N[Pt](N)(Cl)Cl", "C", "[H][H]", "*"])
    assert np.isfinite(table.values).all()
    assert np.abs(table.values).max() <= LIMIT


def test_what_is_no_number_is_0_and_counted(monkeypatch):
    import molecules.descriptors as module

    odd = ((("a", "b", "c"), lambda mol: [np.nan, np.inf, -1e9]),)
    monkeypatch.setattr(module, "_FAMILIES", odd)
    monkeypatch.setattr(module, "NAMES", ("a", "b", "c"))
    table = descriptors(["C", "CC"])
    np.testing.assert_array_equal(table.values, [[0, LIMIT, -LIMIT]] * 2)
    assert table.replaced == 2


def test_bad_smiles_are_named():
    with pytest.raises(DataError, match="position 1"):
        descriptors(["C", "C1CC"])
