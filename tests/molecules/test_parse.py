import pytest
from rdkit import Chem

from molecules.errors import DataError
from molecules.parse import as_molecule, canonical, is_empty, parse, parse_all


def test_two_ways_to_write_aspirin_have_one_canonical_form():
    aspirin = {canonical(parse(text)) for text in ("CC(=O)Oc1ccccc1C(=O)O", "OC(=O)C1=CC=CC=C1OC(C)=O")}
    assert len(aspirin) == 1


def test_enantiomers_stay_apart():
    # L- and D-alanine
    assert canonical(parse("C[C@H](N)C(=O)O")) != canonical(parse("C[C@@H](N)C(=O)O"))


@pytest.mark.parametrize("text", ["C1CC", "c1cccc1", "C(C)(C)(C)(C)C", "not a molecule", "CC("])
def test_what_rdkit_refuses_is_none_and_says_nothing(text, capfd):
    assert parse(text) is None
    assert parse_all([text, "C"])[0] is None
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("text", ["", "  "])
def test_blank_smiles_is_empty(text):
    assert is_empty(parse(text))
    assert not is_empty(parse("C"))  # methane


def test_as_molecule_names_position_and_smiles():
    with pytest.raises(DataError, match=r"'C1CC' at position 7"):
        as_molecule("C1CC", 7)


def test_as_molecule_passes_molecules_through():
    ethanol = Chem.MolFromSmiles("CCO")
    assert as_molecule(ethanol, 0) is ethanol
