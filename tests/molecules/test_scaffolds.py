import pytest

from molecules.errors import DataError
from molecules.scaffolds import scaffolds


def test_scaffolds_by_hand():
    # toluene, a linker between two rings, an acyclic molecule, a chiral ring without its side chains
    given = ["Cc1ccccc1", "Oc1ccccc1CCC1CCNC1", "CCO", "C[C@@H]1CCCO1"]
    assert scaffolds(given) == ["c1ccccc1", "c1ccc(CCC2CCNC2)cc1", "", "C1CCOC1"]


def test_none_of_none():
    assert scaffolds([]) == []


def test_what_cannot_be_parsed_is_named():
    with pytest.raises(DataError, match="position 1"):
        scaffolds(["CCO", "C1CC"])
