"""InChIKeys against the line notation itself, and the cache of them."""

import pytest
from rdkit import Chem

from molecules import inchikeys as module
from molecules.errors import DataError
from molecules.inchikeys import CONNECTIVITY, cached_inchikeys, inchikeys
from tests.listener import Listener
from tests.real_data import wehi_smiles

#: Glycine without and with charges, and two tautomers of an azole.
GLYCINE, AZOLES = ["NCC(=O)O", "[NH3+]CC(=O)[O-]"], ["Cc1c[nH]cn1", "Cc1cnc[nH]1"]


def test_keys_are_those_of_the_inchi_of_each_molecule():
    smiles = wehi_smiles(30)
    expected = [Chem.InchiToInchiKey(Chem.MolToInchi(Chem.MolFromSmiles(text))) for text in smiles]
    assert inchikeys(smiles) == expected
    assert inchikeys([]) == []


def test_one_substance_has_one_key_however_it_is_drawn():
    for pair in (GLYCINE, AZOLES):
        assert len(set(map(Chem.CanonSmiles, pair))) == 2
        assert len(set(inchikeys(pair))) == 1
    amine, ammonium, methylated = inchikeys(["CN", "C[NH3+]", "CNC"])
    assert amine != ammonium
    assert amine[:CONNECTIVITY] == ammonium[:CONNECTIVITY] != methylated[:CONNECTIVITY]
    assert inchikeys(["*"]) == [""]


def test_keys_are_computed_once(monkeypatch):
    smiles = wehi_smiles(20)
    assert cached_inchikeys(smiles) is None
    first = inchikeys(smiles)
    monkeypatch.setattr(module.Chem, "MolToInchiKey", None)
    assert inchikeys(smiles) == cached_inchikeys(smiles) == first
    assert cached_inchikeys(smiles[::-1]) is None  # in another order they are others


def cut(text):
    return "\n".join(text.split("\n")[:-1])


def swap(text):
    content, first, second, *rest = text.split("\n")
    return "\n".join([content, second, first, *rest])


@pytest.mark.parametrize("damage", [cut, swap, lambda text: "", lambda text: "\n"])
def test_a_damaged_file_is_made_again_with_a_note(damage, own_cache):
    smiles = wehi_smiles(5)
    first, listener = inchikeys(smiles), Listener()
    (path,) = (own_cache / "inchikeys").iterdir()
    path.write_text(damage(path.read_text()))
    assert inchikeys(smiles, listener) == first
    assert ["are damaged and are made again" in note for note in listener.notes] == [True]
    assert cached_inchikeys(smiles) == first


def test_the_file_of_other_molecules_is_not_taken(own_cache):
    first, others = inchikeys(["C", "CC"]), ["N", "NC"]
    (path,) = (own_cache / "inchikeys").iterdir()
    expected = inchikeys(others)
    (other,) = set((own_cache / "inchikeys").iterdir()) - {path}
    other.write_text(path.read_text())
    assert cached_inchikeys(others) is None
    assert inchikeys(others) == expected != first


def test_a_cache_that_cannot_be_written_costs_the_cache_alone(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MOLMIS_CACHE", str(tmp_path / "file"))
    listener = Listener()
    assert len(inchikeys(["C", "CC"], listener)) == 2
    assert ["InChIKeys are not cached" in note for note in listener.notes] == [True]


def test_what_is_no_smiles_is_told_by_its_position():
    with pytest.raises(DataError, match="'C1CC' at position 1"):
        inchikeys(["C", "C1CC"])
